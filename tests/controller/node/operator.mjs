// An operator's and a dispatcher's client, with nothing of ours but the stubs generated from the .proto files.
// Usage: NODE_PATH=... node operator.mjs ADDRESS STUBS_FOLDER; prints one JSON object.
import { createRequire } from "node:module";
import path from "node:path";

const [address, folder] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(folder), "here.js"));
const grpc = require("@grpc/grpc-js");
const stub = (name) => require(`./stopline/v1/${name}.js`);
const client = (file, service) =>
  new (stub(`${file}.grpc-client`)[`${service}Client`])(address, grpc.credentials.createInsecure());

const junctions = client("junction", "JunctionService");
const overrides = client("override", "OverrideService");
const priorities = client("priority", "PriorityService");
const decisions = client("decision", "DecisionService");
const policies = client("policy", "PolicyService");
const audits = client("audit", "AuditService");
const { OverrideRequest, OverrideStatus } = stub("override");
const { PriorityState, ReportRequest, VehicleClass } = stub("priority");
const { Source } = stub("state");

const call = (to, method, request) =>
  new Promise((done, failed) =>
    to[method](request, (error, answer) => (error ? failed(error) : done(answer))),
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

const watch = async (id, enough) => {
  const stream = junctions.watchState({ junction_ids: [id], min_interval_ms: 0 });
  return (await read(stream, (seen) => enough(seen.at(-1).state, seen))).map(({ state }) => state);
};

// Takes the junction over, goes to the stage after the present one, and hands it back.
const takeOver = async (id, stages) => {
  const watched = await watch(id, (state, seen) => seen.length >= 5 && state.cabinet_online);
  const wanted = (watched.at(-1).stage + 1) % stages;
  const asked = { junction_id: id, operator: "node", ttl_s: 60, priority: 0, groups: [] };
  const { lease } = await call(overrides, "acquireLease", { ...asked, reason: "a client in Node" });
  const held = { lease_id: lease.lease_id, fencing_token: lease.fencing_token };
  const verb = { oneofKind: "go_to_stage", go_to_stage: { stage: wanted } };
  const preview = await call(junctions, "preview", { junction_id: id, stage: wanted, source: Source.CENTRE });
  const answer = await call(overrides, "override", OverrideRequest.create({ ...held, verb }));
  await watch(id, (state) => state.stage === wanted && state.source === Source.CENTRE);
  const leases = async () => (await call(overrides, "listLeases", { junction_id: id })).leases;
  const during = await leases();
  const other = { ...held, fencing_token: lease.fencing_token + 1, ttl_s: 5 };
  const refusal = await call(overrides, "renewLease", other).catch((error) => error);
  await call(overrides, "releaseLease", held);
  const left = await leases();
  const after = await watch(id, (state) => state.source === Source.POLICY);
  return {
    sequences: watched.map((state) => state.sequence),
    transition: preview.transition_tenths,
    answer: OverrideStatus[answer.status],
    leases: during.map((row) => row.operator),
    left: left.map((row) => row.operator),
    refused: grpc.status[refusal.code],
    returned: after.at(-1).reason,
  };
};

// Reports a fire engine on its way to a group, again and again, until it is green there; then it has passed.
const drive = (id, group) =>
  new Promise((done, failed) => {
    const states = new Set();
    const stream = priorities.report();
    const vehicle = { vehicle_id: "engine 7", vehicle_class: VehicleClass.FIRE, speed_mps: 10 };
    const upcoming = [{ junction_id: id, group, approach: "", distance_m: 60, eta_s: 0 }];
    const report = (sequence, cancel) =>
      stream.write(ReportRequest.create({ ...vehicle, sequence, upcoming, cancel }));
    stream.on("data", ({ sequence, junctions: [status] }) => {
      states.add(PriorityState[status.state]);
      if (status.state === PriorityState.COMPLETED) return stream.end();
      setTimeout(report, 100, sequence + 1, status.state === PriorityState.GREEN);
    });
    stream.on("error", failed);
    stream.on("end", () => done([...states]));
    report(1, false);
  });

// Decisions for an empty street over one stream.
const decide = async (id, detectors) => {
  const stream = decisions.decideStream();
  const input = { oneofKind: "readings", readings: new Uint8Array(2 * detectors) };
  for (const sequence of [1, 2, 3]) stream.write({ decision: { junction_id: id, sequence, input } });
  stream.end();
  return (await read(stream, () => false)).map(({ decision }) => decision.sequence);
};

const listed = (await call(junctions, "listJunctions", {})).junctions;
const id = listed[0].junction_id;
const { plan } = await call(junctions, "getPlan", { junction_id: id });
const taken = await takeOver(id, plan.stages.length);
const priority = await drive(id, "side");
const decided = await decide(id, plan.detectors.length);
const policy = await call(policies, "getPolicy", {});
const records = await read(
  audits.getAudit({ from_sequence: 0, limit: 0, junction_id: "", kind: "override" }),
  () => false,
);

console.log(
  JSON.stringify({
    junctions: listed.map((junction) => junction.junction_id),
    groups: plan.groups.map((group) => group.name),
    ...taken,
    priority,
    decided,
    policy: policy.name,
    audited: records.map(({ record }) => record.actor),
  }),
);
