// An operator's client written with nothing of ours but the .proto files: @grpc/grpc-js and proto-loader.
// Usage: NODE_PATH=... node operator.mjs ADDRESS PROTO_FOLDER; prints one JSON object.
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.FOREIGN_MODULES, "here.js"));
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, folder] = process.argv.slice(2);
const files = ["junction", "override", "policy", "audit"].map((name) => `stopline/v1/${name}.proto`);
const definition = loader.loadSync(files, {
  keepCase: true,
  includeDirs: [folder],
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
});
const { v1 } = grpc.loadPackageDefinition(definition).stopline;
const insecure = grpc.credentials.createInsecure();
const junctions = new v1.JunctionService(address, insecure);
const overrides = new v1.OverrideService(address, insecure);
const policies = new v1.PolicyService(address, insecure);
const audits = new v1.AuditService(address, insecure);

const call = (client, method, request) =>
  new Promise((done, failed) =>
    client[method](request, (error, answer) => (error ? failed(error) : done(answer))),
  );

// Reads a stream until `enough` says so, and leaves it.
const read = (stream, enough) =>
  new Promise((done, failed) => {
    const seen = [];
    stream.on("data", (message) => {
      seen.push(message);
      if (enough(seen)) {
        stream.cancel();
        done(seen);
      }
    });
    stream.on("error", (error) => error.code === grpc.status.CANCELLED || failed(error));
    stream.on("end", () => done(seen));
  });

const listed = (await call(junctions, "ListJunctions", {})).junctions;
const id = listed[0].junction_id;
const { plan } = await call(junctions, "GetPlan", { junction_id: id });
const watched = await read(
  junctions.WatchState({ junction_ids: [id] }),
  (seen) => seen.length >= 5 && seen.at(-1).state.cabinet_online,
);
const present = watched.at(-1).state;
const wanted = (present.stage + 1) % plan.stages.length;
const { lease } = await call(overrides, "AcquireLease", {
  junction_id: id,
  operator: "node",
  ttl_s: 60,
  reason: "a client of another language",
});
const answer = await call(overrides, "Override", {
  lease_id: lease.lease_id,
  fencing_token: lease.fencing_token,
  go_to_stage: { stage: wanted },
});
const reached = await read(
  junctions.WatchState({ junction_ids: [id] }),
  (seen) => seen.at(-1).state.stage === wanted && seen.at(-1).state.source === "SOURCE_CENTRE",
);
const refusal = await call(overrides, "RenewLease", {
  lease_id: lease.lease_id,
  fencing_token: lease.fencing_token + 1,
  ttl_s: 5,
}).catch((error) => error);
await call(overrides, "ReleaseLease", { lease_id: lease.lease_id, fencing_token: lease.fencing_token });
const policy = await call(policies, "GetPolicy", {});
const records = await read(audits.GetAudit({ kind: "override" }), () => false);

console.log(
  JSON.stringify({
    junctions: listed.map((junction) => junction.junction_id),
    groups: plan.groups.map((group) => group.name),
    sequences: watched.map(({ state }) => state.sequence),
    answer: answer.status,
    reached: reached.at(-1).state.stage === wanted,
    refused: grpc.status[refusal.code],
    policy: policy.name,
    audited: records.map(({ record }) => record.actor),
  }),
);
