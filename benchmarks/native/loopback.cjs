// Loaded before a peer's own code: a server that names no host listens on loopback only. A gateway
// that lets each request choose its upstream must not be reachable from outside while it is measured.
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (first, ...rest) {
  if (typeof first === "number") {
    return listen.call(this, { port: first, host: "127.0.0.1" }, ...rest.filter((each) => typeof each === "function"));
  }
  const place = first && typeof first === "object" && "port" in first ? { host: "127.0.0.1", ...first } : first;
  return listen.call(this, place, ...rest);
};
