// Ways for samples to come in, each with what to copy.

export interface Listener {
  kind: string;
  host: string;
  port: number;
  loopback: boolean;
}

export interface Setting {
  /** http://127.0.0.1:8765 */
  origin: string;
  /** The name of the machine, as the reader of the page reached it. */
  host: string;
  /** null: none is needed. */
  token: string | null;
  listeners: readonly Listener[];
}

export interface Way {
  key: string;
  name: string;
  about: string;
  snippets(setting: Setting): { title: string; text: string }[];
}

export const WAYS: readonly Way[] = [
  {
    key: "json",
    name: "Any script",
    about: "JSON over HTTP. The answer comes when the samples are stored.",
    snippets: ({ origin, token }) => [
      {
        title: "One sample, now",
        text: `curl ${origin}/api/v1/samples \\\n  -H 'Content-Type: application/json' \\\n${header(token)}  -d '{"samples": [{"metric": "web.latency", "labels": {"host": "a"}, "timestamp": '$(date +%s)', "value": 21.5}]}'`,
      },
      {
        title: "Python, nothing installed",
        text: `import json, time, urllib.request\n\nsamples = [{"metric": "web.latency", "timestamp": time.time(), "value": 21.5}]\nurllib.request.urlopen(urllib.request.Request(\n    "${origin}/api/v1/samples",\n    json.dumps({"samples": samples}).encode(),\n    {"Content-Type": "application/json"${token ? `, "Authorization": "Bearer ${token}"` : ""}},\n))`,
      },
    ],
  },
  {
    key: "prometheus",
    name: "Prometheus",
    about: "Remote write, from Prometheus, vmagent, Grafana Alloy or a collector. Or let Tocsin scrape.",
    snippets: ({ origin, token }) => [
      {
        title: "prometheus.yml",
        text: `remote_write:\n- url: ${origin}/api/v1/write${token ? `\n  authorization: {credentials: "${token}"}` : ""}`,
      },
      {
        title: "vmagent",
        text: `vmagent -remoteWrite.url=${origin}/api/v1/write${token ? ` -remoteWrite.bearerToken=${token}` : ""}`,
      },
      {
        title: "tocsin.toml: scrape targets, without Prometheus",
        text: `[[scrape]]\njob = "node"\ntargets = ["127.0.0.1:9100"]\ninterval = 15`,
      },
    ],
  },
  {
    key: "otlp",
    name: "OpenTelemetry",
    about: "OTLP over HTTP, protobuf or JSON. For gRPC, let a collector export over HTTP.",
    snippets: ({ origin, token }) => [
      {
        title: "Any SDK, by environment",
        text: `export OTEL_METRICS_EXPORTER=otlp\nexport OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf\nexport OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=${origin}/v1/metrics${token ? `\nexport OTEL_EXPORTER_OTLP_METRICS_HEADERS="authorization=Bearer%20${token}"` : ""}`,
      },
      {
        title: "Collector",
        text: `exporters:\n  otlphttp:\n    metrics_endpoint: ${origin}/v1/metrics${token ? `\n    headers:\n      authorization: "Bearer ${token}"` : ""}\nservice:\n  pipelines:\n    metrics:\n      exporters: [otlphttp]`,
      },
    ],
  },
  {
    key: "influx",
    name: "Telegraf, InfluxDB",
    about: "The line protocol of InfluxDB 1.x and 2.x, at the address of this page.",
    snippets: ({ origin, token }) => [
      {
        title: "telegraf.conf",
        text: `[[outputs.influxdb_v2]]\n  urls = ["${origin}"]\n  token = "${token ?? "any"}"\n  organization = "any"\n  bucket = "any"`,
      },
      {
        title: "By hand",
        text: `curl ${origin}/write \\\n${header(token)}  --data-binary 'load,host=a value=0.5'`,
      },
    ],
  },
  {
    key: "graphite",
    name: "Graphite",
    about: "Plaintext lines or carbon's pickles, from collectd, Diamond, Icinga or carbon-relay.",
    snippets: (setting) => [
      ...reached(setting, "graphite", (host, port) => [
        { title: "By hand", text: `echo "web.requests 42 $(date +%s)" | nc -q1 ${host} ${port}` },
        {
          title: "collectd.conf",
          text: `LoadPlugin write_graphite\n<Plugin write_graphite>\n  <Node "tocsin">\n    Host "${host}"\n    Port "${port}"\n    Protocol "tcp"\n  </Node>\n</Plugin>`,
        },
      ]),
      ...reached(setting, "graphite_pickle", (host, port) => [
        { title: "carbon.conf", text: `[relay]\nDESTINATIONS = ${host}:${port}:tocsin` },
      ]),
    ],
  },
  {
    key: "statsd",
    name: "StatsD",
    about: "Counters, gauges, timers and sets over UDP, added up every few seconds.",
    snippets: (setting) =>
      reached(setting, "statsd", (host, port) => [
        { title: "By hand", text: `echo "web.requests:1|c" | nc -u -w1 ${host} ${port}` },
        {
          title: "Python (pip install statsd)",
          text: `import statsd\n\nclient = statsd.StatsClient("${host}", ${port})\nclient.incr("web.requests")\nclient.timing("web.latency", 21)`,
        },
      ]),
  },
  {
    key: "files",
    name: "Files",
    about: "CSV, NDJSON and Parquet: whole ones, or such that grow.",
    snippets: ({ origin, token }) => [
      {
        title: "A file with history, then all that is added to it",
        text: `${token ? `TOCSIN_TOKEN=${token} ` : ""}tocsin load --follow metrics.csv --url ${origin}`,
      },
      {
        title: "tocsin.toml: the service follows it itself",
        text: `[[follow]]\npath = "/var/log/shop/metrics.csv"\nmetric = "shop.{name}"`,
      },
    ],
  },
];

function header(token: string | null): string {
  return token ? `  -H 'Authorization: Bearer ${token}' \\\n` : "";
}

type Snippets = { title: string; text: string }[];

/** Snippets for a listener of its own, or how to switch it on. */
function reached({ listeners, host }: Setting, kind: string, made: (host: string, port: number) => Snippets): Snippets {
  const found = listeners.find((one) => one.kind === kind);
  if (found) return made(found.loopback ? found.host : host, found.port);
  const port = kind === "statsd" ? 8125 : kind === "graphite_pickle" ? 2004 : 2003;
  return [{ title: `tocsin.toml: switch ${kind.replaceAll("_", " ")} on`, text: `${kind} = "127.0.0.1:${port}"` }];
}
