"""The service at the kerb: junction loops, arbitration, gRPC services and the audit log.

One process serves one to thousands of junctions of a site file. Every 100 ms each junction is read, the
sources propose, the arbiter follows the highest of them, the guard has the last word, and what is asked is in
the audit log before it is on the wire. The heartbeat comes from that loop and stops with it.

Where to look:

- `serve.serve(path)` runs a site file until SIGTERM; `site.read_site` checks it, every mistake with its line.
- `assembly.assemble(site)` puts the parts together; `loop.ControlLoop` ticks them in a thread of its own.
- `junction.JunctionControl` is one junction without any input or output: state in, command out.
- `arbiter.Arbiter` ranks the sources of `sources.Source`; `overrides`, `priority` and `policies` are three.
- `link.CabinetLink` keeps connection, lease and heartbeat of one cabinet; `drivers.register` adds a kind.
- `priority_desk.PriorityDesk` is where every vehicle's report passes, by gRPC or (`v2x`) by radio.
- `services` are the gRPC services; `wire` is the one place that knows both their messages and our words.

    >>> from stopline_controller.arbiter import Arbiter
    >>> from stopline_controller.sources import Proposal, Source
    >>> ruling = Arbiter().rule([Proposal(Source.POLICY, 1), Proposal(Source.EMERGENCY, 2, "fire engine 7")])
    >>> ruling.winner.source, ruling.winner.stage
    (<Source.EMERGENCY: 'emergency'>, 2)
"""
