// Loads module.js as Grafana does, with fakes of the modules that Grafana provides, and renders
// the page. Usage: node check-plugin.js DIR
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const dir = path.resolve(process.argv[2] || ".");
const meta = JSON.parse(fs.readFileSync(path.join(dir, "plugin.json"), "utf8"));

class AppPlugin {
  setRootPage(page) {
    this.root = page;
    return this;
  }
}

// A minimal React: elements are data, states are found by position, and effects run after a
// rendering that changed their dependencies.
function makeReact() {
  const states = [];
  const effects = [];
  let at = 0;
  return {
    createElement: (type, props, ...children) => ({ type, props: props || {}, children: children.flat() }),
    useState(initial) {
      const mine = at++;
      if (!(mine in states)) states[mine] = initial;
      return [states[mine], (value) => (states[mine] = value)];
    },
    useEffect(effect) {
      if (effects.length === 0) effects.push(effect());
    },
    render(page) {
      at = 0;
      return page({});
    },
    leave: () => effects.forEach((cleanUp) => cleanUp && cleanUp()),
  };
}

function load(react, get) {
  const brought = {
    "@grafana/data": { AppPlugin },
    "@grafana/runtime": { getBackendSrv: () => ({ get }) },
    react,
  };
  let loaded;
  const define = (names, body) => {
    const missing = names.filter((name) => !(name in brought));
    // Compared as text, because an array of the other context is not an `Array` here.
    assert.strictEqual(missing.join(), "", "module.js asks for what Grafana does not bring");
    loaded = body(...names.map((name) => brought[name]));
  };
  vm.runInNewContext(fs.readFileSync(path.join(dir, "module.js"), "utf8"), { define, Promise, Number, Math, String });
  assert.ok(loaded, "module.js does not call define");
  return loaded.plugin;
}

const text = (node) =>
  node === null || typeof node !== "object" ? String(node) : node.children.map(text).join(" ");

async function shown(get) {
  const react = makeReact();
  const plugin = load(react, get);
  assert.ok(plugin instanceof AppPlugin, "module.js exports no AppPlugin as `plugin`");
  assert.strictEqual(typeof plugin.root, "function", "the plugin has no root page");
  assert.match(text(react.render(plugin.root)), /Asking Prometheus/);
  await new Promise((done) => setTimeout(done, 10));
  const page = text(react.render(plugin.root));
  react.leave();
  return page;
}

async function main() {
  for (const field of ["id", "type", "name"]) assert.ok(meta[field], `plugin.json: ${field} is missing`);
  assert.match(meta.info.version, /^\d+\.\d+\.\d+/, "plugin.json: info.version");
  for (const logo of Object.values(meta.info.logos)) assert.ok(fs.existsSync(path.join(dir, logo)), logo);

  const asked = [];
  const answer = (value) => ({ status: "success", data: { result: [{ value: [0, value] }] } });
  const page = await shown((url, { query }) => {
    asked.push(url);
    return Promise.resolve(answer(query.includes("up{") ? "1" : "41.7"));
  });
  assert.match(page, /Backend is up yes/);
  assert.match(page, /Requests in five minutes 42/);
  assert.ok(asked.every((url) => url.startsWith("/api/datasources/proxy/uid/prometheus/")));

  const empty = await shown(() => Promise.resolve({ data: { result: [] } }));
  assert.match(empty, /Backend is up no data yet/);
  const failed = await shown(() => Promise.reject({ data: { message: "Bad Gateway" } }));
  assert.match(failed, /unknown: Bad Gateway/);
  console.log(`${meta.id} ${meta.info.version}: loads, and its page tells what Prometheus says`);
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
