// For tests: *.example.test is this machine, for Node, as --host-resolver-rules says it to Chromium.
import dns from 'node:dns';

const { lookup } = dns;
dns.lookup = (name, options, callback) =>
  lookup.call(dns, /\.example\.test$/.test(name) ? '127.0.0.1' : name, options, callback);
