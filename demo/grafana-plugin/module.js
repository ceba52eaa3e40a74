// The whole plugin, as Grafana loads it: an AMD module whose dependencies Grafana itself brings.
// There is no build step, so Grafana runs this file as it is.
define(["@grafana/data", "@grafana/runtime", "react"], function (data, runtime, react) {
  "use strict";

  var h = react.createElement;

  // The Prometheus datasource that compose/provisioning declares.
  var PROMETHEUS = "prometheus";
  var QUERIES = [
    { label: "Backend is up", query: "max(up{job=\"backend\"})", show: upOrDown },
    { label: "Requests in five minutes", query: "sum(increase(http_requests_total[5m]))", show: rounded },
    { label: "Batches of spans lost", query: "sum(otlp_export_failures_total)", show: rounded },
  ];

  function upOrDown(value) {
    return value === "1" ? "yes" : "no";
  }

  function rounded(value) {
    return String(Math.round(Number(value)));
  }

  // Prometheus answers {status, data: {result: [{value: [time, text]}]}}; without a result there is no value.
  function firstValue(answer) {
    var result = answer && answer.data && answer.data.result;
    return result && result.length > 0 && result[0].value ? result[0].value[1] : undefined;
  }

  function ask(entry) {
    var path = "/api/datasources/proxy/uid/" + PROMETHEUS + "/api/v1/query";
    return runtime
      .getBackendSrv()
      .get(path, { query: entry.query })
      .then(function (answer) {
        var value = firstValue(answer);
        return { label: entry.label, text: value === undefined ? "no data yet" : entry.show(value) };
      })
      .catch(function (error) {
        var why = (error && error.data && error.data.message) || (error && error.statusText) || "no answer";
        return { label: entry.label, text: "unknown: " + why };
      });
  }

  function BackendPage() {
    var state = react.useState(null);
    var rows = state[0];
    var setRows = state[1];
    react.useEffect(function () {
      var open = true;
      Promise.all(QUERIES.map(ask)).then(function (answers) {
        // The reader may have left the page while Prometheus was thinking.
        if (open) {
          setRows(answers);
        }
      });
      return function () {
        open = false;
      };
    }, []);
    if (rows === null) {
      return h("p", { role: "status" }, "Asking Prometheus…");
    }
    return h(
      "table",
      null,
      h(
        "tbody",
        null,
        rows.map(function (row) {
          return h("tr", { key: row.label }, h("th", { scope: "row" }, row.label), h("td", null, row.text));
        })
      )
    );
  }

  return { plugin: new data.AppPlugin().setRootPage(BackendPage) };
});
