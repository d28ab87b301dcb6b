import SojournCore
import SojournLoop

/// The masters of a Redis Cluster and who owns which slot, kept up to date. Loop only.
///
/// The map is read from any member (`CLUSTER SLOTS`): at the start, when a server says that it is out of date, every
/// second while a master is not well, and every few seconds anyway. A member that says that the cluster is down for it
/// is not believed: it may be cut off.
final class RedisCluster {
    /// Who owns which slot, once that is known.
    private(set) var map: SlotMap? {
        didSet { self.masters = self.map?.masters.map { self.master(at: $0) } ?? [] }
    }
    /// The masters, in the order of the map.
    private(set) var masters: [RedisMaster] = []
    /// Why there is no map, as a sentence, or nil.
    private(set) var trouble: String?
    /// The same, if the member that was asked last is there and refuses this client, or is not what it takes.
    private var refusal: String?
    /// Told when slots have changed their masters.
    var onChange: (() -> Void)?

    let loop: EventLoop
    let options: RedisOptions
    let log: Log
    private let probes: [(slot: Int, channel: String)]
    private var seeds: [Endpoint]
    private var byEndpoint: [Endpoint: RedisMaster] = [:]
    private var lanes: [String: Fifo<CheckedContinuation<Void, Never>>] = [:]
    private var timer: LoopTimer?
    private var isStarted = false
    private(set) var isClosed = false
    private var listens = false
    private var isAsking = false
    /// Whom to ask next, if somebody has said that it knows more; set while the map is to be read again.
    private var hint: Endpoint?
    private var isOutdated = false
    private var ticks = 0

    /// Ticks between two readings of the map when all is well.
    private static let calm = 5
    /// How long a member may take to answer, in milliseconds.
    private static let patience = 1_000

    init(loop: EventLoop, seeds: [Endpoint], options: RedisOptions, probes: [String], log: Log) {
        precondition(!seeds.isEmpty, "a cluster is found by asking at least one member")
        self.loop = loop
        self.seeds = seeds
        var own = options
        own.isClusterMember = true
        self.options = own
        self.probes = probes.map { (ClusterSlot.of($0), $0) }
        self.log = log
    }

    func start() {
        self.loop.checkIsolated()
        guard !self.isStarted else { return }
        self.isStarted = true
        self.timer = LoopTimer(loop: self.loop) { [weak self] in self?.tick() }
        self.timer?.start(afterMilliseconds: self.options.refreshIntervalMs)
        self.refresh()
    }

    func close() {
        self.isClosed = true
        self.timer?.stop()
        self.onChange = nil
        for master in self.byEndpoint.values { master.close() }
        self.byEndpoint = [:]
        for lane in self.lanes.values { for waiting in lane.elements { waiting.resume() } }
        self.lanes = [:]
    }

    // MARK: State

    var state: RedisConnection.State {
        guard self.isStarted else { return .idle }
        guard !self.isClosed else { return .closed }
        guard let map else { return self.refusal.map { .refused($0) } ?? .connecting }
        guard map.isComplete else { return .connecting }
        let states = self.masters.map(\.connection.state)
        for case .refused(let sentence) in states { return .refused(sentence) }
        return states.allSatisfy { $0 == .ready } ? .ready : .connecting
    }

    /// The replication ids of all masters that are known.
    var replid: String? {
        let all = self.masters.compactMap(\.connection.replid)
        return all.isEmpty ? nil : all.sorted().joined(separator: " ")
    }

    /// A member to name where none is known to be meant.
    var seed: Endpoint { self.seeds[0] }

    /// Whether commands may be sent there still.
    func isMember(_ master: RedisMaster) -> Bool { self.byEndpoint[master.endpoint] === master }

    func owner(of slot: Int) -> RedisMaster? { self.map?.place(of: slot).map { self.masters[$0] } }

    /// The connections to a server, made if there are none.
    func master(at endpoint: Endpoint) -> RedisMaster {
        if let master = self.byEndpoint[endpoint] { return master }
        let master = RedisMaster(
            loop: self.loop, endpoint: endpoint, options: self.options, probe: nil, log: self.log)
        self.byEndpoint[endpoint] = master
        self.onMaster?(master)
        master.start()
        if self.listens { master.subscriber.start() }
        return master
    }

    /// Told of each new master before it is started.
    var onMaster: ((RedisMaster) -> Void)?

    /// Starts all subscribers, those that come later, too.
    func listen() {
        self.listens = true
        for master in self.byEndpoint.values { master.subscriber.start() }
    }

    // MARK: The map

    /// A server says that a slot is another one's.
    func moved(_ slot: Int, to endpoint: Endpoint) {
        guard !self.isClosed else { return }
        _ = self.master(at: endpoint)
        if self.map?.owner(of: slot) != endpoint {
            self.map?.set(slot...slot, to: endpoint)
            self.onChange?()
        }
        self.hint = endpoint
        self.refresh()
    }

    /// Reads the map again.
    func refresh() {
        guard self.isStarted, !self.isClosed else { return }
        self.isOutdated = true
        guard !self.isAsking else { return }
        self.isAsking = true
        self.loop.spawn { [weak self] in await self?.learn() }
    }

    private func tick() {
        self.timer?.start(afterMilliseconds: self.options.refreshIntervalMs)
        self.ticks += 1
        let isWell = self.map?.isComplete == true && self.masters.allSatisfy(\.connection.isMaster)
        if !isWell || self.ticks % Self.calm == 0 { self.refresh() }
    }

    private func learn() async {
        while self.isOutdated, !self.isClosed {
            self.isOutdated = false
            for endpoint in self.candidates() {
                guard let map = await self.ask(endpoint), !self.isClosed else { continue }
                self.adopt(map)
                break
            }
        }
        self.isAsking = false
    }

    /// Whom to ask: who is said to know, then masters that answer, then all others.
    private func candidates() -> [Endpoint] {
        let (well, others) = (self.map?.members ?? []).shuffled().partitioned {
            self.byEndpoint[$0]?.connection.isMaster == true
        }
        var all = (self.hint.map { [$0] } ?? []) + well + others + self.seeds
        self.hint = nil
        var seen: Set<Endpoint> = []
        all.removeAll { !seen.insert($0).inserted }
        return all
    }

    private func ask(_ endpoint: Endpoint) async -> SlotMap? {
        let own = self.byEndpoint[endpoint]?.connection
        let connection: RedisConnection
        if let own, own.state == .ready {
            connection = own
        } else {
            // A connection for this question: a replica, or a server that is not needed otherwise.
            var options = self.options
            options.scripts = []
            connection = RedisConnection(
                loop: self.loop, endpoint: endpoint, options: options, purpose: "slot map", log: .silent)
            connection.start()
        }
        defer { if connection !== own { connection.close() } }
        do throws(RedisError) {
            let info = try await connection.send(["CLUSTER", "INFO"], kind: .read, timeoutMs: Self.patience)
            self.refusal = nil
            guard ServerInfo(info.string ?? "")["cluster_state"] == "ok" else {
                self.note("the cluster is down, says \(endpoint)")
                return nil
            }
            let slots = try await connection.send(["CLUSTER", "SLOTS"], kind: .read, timeoutMs: Self.patience)
            guard let map = SlotMap(slots, askedOf: endpoint), !map.masters.isEmpty else {
                self.note("\(endpoint) does not say who owns which slot")
                return nil
            }
            return map
        } catch {
            if case .refused(let sentence) = connection.state {
                self.note(sentence)
                self.refusal = sentence
            } else {
                self.refusal = nil
                self.note("no member of the cluster answers: \(error.message)")
            }
            return nil
        }
    }

    private func note(_ trouble: String) { if self.map == nil { self.trouble = trouble } }

    private func adopt(_ map: SlotMap) {
        self.trouble = map.isComplete ? nil : "the cluster does not serve all slots"
        let before = self.map
        self.map = map
        for endpoint in map.members where !self.seeds.contains(endpoint) { self.seeds.append(endpoint) }
        for (endpoint, master) in self.byEndpoint where !map.masters.contains(endpoint) {
            self.byEndpoint[endpoint] = nil
            master.retire()
        }
        self.chooseProbes()
        guard before != map else { return }
        self.log(
            before == nil ? .info : .notice,
            before == nil ? "The cluster says who owns which slot" : "Slots of the cluster have changed their masters",
            ["redis.masters": map.masters.map { "\($0)" }.sorted().joined(separator: ",")])
        self.onChange?()
    }

    /// Gives each subscriber a channel of a slot of its own server to hear itself on.
    private func chooseProbes() {
        var chosen: [Endpoint: String] = [:]
        for (slot, channel) in self.probes {
            guard let owner = self.map?.owner(of: slot) else { continue }
            let kept = self.byEndpoint[owner]?.subscriber.probe?.channel
            if chosen[owner] == nil || channel == kept { chosen[owner] = channel }
        }
        for (endpoint, master) in self.byEndpoint { master.subscriber.probe(on: chosen[endpoint]) }
    }

    // MARK: Lanes

    /// Runs bodies of one key one after the other, in the order of the calls.
    func inOrder<Answer>(
        _ key: String?, _ body: () async throws(RedisError) -> Answer
    ) async throws(RedisError) -> Answer {
        guard let key else { return try await body() }
        if self.lanes[key] == nil {
            self.lanes[key] = Fifo()
        } else {
            await withCheckedContinuation { self.lanes[key]?.append($0) }
        }
        defer {
            if let next = self.lanes[key]?.popFirst() { next.resume() } else { self.lanes[key] = nil }
        }
        return try await body()
    }
}

extension Sequence {
    /// Those of which it holds, and the others.
    fileprivate func partitioned(by condition: (Element) -> Bool) -> ([Element], [Element]) {
        var (those, others): ([Element], [Element]) = ([], [])
        for element in self { if condition(element) { those.append(element) } else { others.append(element) } }
        return (those, others)
    }
}
