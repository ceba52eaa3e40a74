define(["react", "@grafana/data"], function (react, data) {
  return { plugin: new data.AppPlugin().setRootPage(function () {
    return react.createElement("p", null, "No orders yet.");
  }) };
});
