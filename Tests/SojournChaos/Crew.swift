import Foundation
import Glibc
import SojournLoop
import SojournTesting

/// The nodes and workers of a run. Like a service manager it starts again what ends.
final class Crew: Sendable {
    static let nodes = 3
    /// Sessions of this agent work by turns.
    static let busyAgent = "33333333-3333-4333-8333-333333333333"
    static let plainAgent = "11111111-1111-4111-8111-111111111111"

    private struct State {
        var nodes: [NodeProcess?]
        var workers: [WorkerProcess?]
        /// Nodes that are down because we did that.
        var downs: Set<Int> = []
        var ahead: [Int]
    }

    let folder = TemporaryFolder()
    /// Where each node listens, whoever it is.
    let ports = (0..<Crew.nodes).map { _ in TestListener.freePort() }
    private let bed: Bed
    private let options: Options
    private let history: History
    private let clock: SkewedClock
    private let state = Locked(
        State(
            nodes: Array(repeating: nil, count: Crew.nodes), workers: Array(repeating: nil, count: Crew.nodes),
            ahead: Array(repeating: 0, count: Crew.nodes)))

    init(_ bed: Bed, _ options: Options, _ history: History) throws {
        self.bed = bed
        self.options = options
        self.history = history
        self.clock = try SkewedClock()
    }

    func archive(_ place: Int) -> String { self.folder.file("archive-\(place).sqlite") }

    func node(_ place: Int) -> NodeProcess? { self.state.withLock { $0.nodes[place] } }
    func worker(_ place: Int) -> WorkerProcess? { self.state.withLock { $0.workers[place] } }

    private func launch(_ place: Int) throws -> NodeProcess {
        let ahead = self.state.withLock { $0.ahead[place] }
        return try NodeProcess(
            "node-\(place)", in: self.folder,
            [
                "--redis", self.bed.url(of: place), "--port", "\(self.ports[place])",
                "--partitions", self.options.topology == .cluster ? "64" : "16",
                "--archive", self.archive(place), "--archive-lease-seconds", "2",
                "--session-min-timeout-minutes", "0.02", "--outage-threshold-seconds", "6",
                "--outage-hold-seconds", "4", "--turn-attempts", "1000", "--log-level", "info",
                "--wait-replicas", self.options.hasReplicas ? "1" : "0", "--wait-ms", "500",
            ], environment: ahead == 0 ? [:] : self.clock.environment(seconds: ahead))
    }

    /// Starts a node that is down; one that finds no Redis ends, and is started again.
    func bringUp(_ place: Int) async throws {
        let end = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < end {
            let node = try self.launch(place)
            self.state.withLock { $0.nodes[place] = node }
            try await eventually(within: 60, "node \(place) is up or has ended") {
                !node.isRunning || self.isReady(place)
            }
            if node.isRunning {
                self.state.withLock { _ = $0.downs.remove(place) }
                return
            }
            try await Task.sleep(for: .milliseconds(300))
        }
        throw NotInTime(description: "node \(place) did not come up: \(self.node(place)?.log.suffix(2000) ?? "")")
    }

    private func isReady(_ place: Int) -> Bool {
        (try? RawHTTP.ask(port: self.ports[place], "GET", "/livez", deadline: 1000))?.status == 200
    }

    /// Ends a node; whoever looks is not to wonder.
    ///
    /// - Parameter ahead: how many seconds its clock will be ahead when it comes back; nil is as before.
    func takeDown(_ place: Int, orderly: Bool, ahead: Int? = nil) async throws {
        let node = self.state.withLock { state -> NodeProcess? in
            state.downs.insert(place)
            if let ahead { state.ahead[place] = ahead }
            return state.nodes[place]
        }
        guard let node else { return }
        if orderly {
            node.signal(SIGTERM)
            do { try await eventually(within: 30, "it ends") { !node.isRunning } } catch { node.kill9() }
        } else {
            node.kill9()
        }
        try await eventually(within: 30, "it ends") { !node.isRunning }
    }

    func startWorker(_ place: Int) throws {
        let worker = try WorkerProcess(
            port: self.ports[place], agent: Self.busyAgent, in: self.folder, lease: "2s")
        self.state.withLock { $0.workers[place] = worker }
    }

    /// Deletes the files of all of them.
    func cleanUp() {
        self.folder.remove()
        self.clock.remove()
    }

    /// Starts again what has ended by itself, which no node should.
    func look() async {
        for place in 0..<Self.nodes {
            guard let node = self.node(place), !node.isRunning,
                self.state.withLock({ $0.downs.insert(place).inserted })
            else { continue }
            let ending = node.exitSentence
            self.history.violation(.crash, nil, nil, "node \(place) ended by itself: \(ending)")
            do { try await self.bringUp(place) } catch { self.history.violation(.crash, nil, nil, "\(error)") }
        }
    }

    /// Ends all nodes in good order, and says so of those that do not.
    func stop() async {
        for place in 0..<Self.nodes {
            self.worker(place)?.kill9()
            guard let node = self.node(place), node.isRunning else { continue }
            let ending = try? await node.stop()
            if ending != .exited(0) {
                self.history.violation(
                    .crash, nil, nil, "node \(place) did not stop in good order: \(node.exitSentence)")
            }
        }
    }
}

extension NodeProcess {
    /// How it ended, and the last it said.
    fileprivate var exitSentence: String {
        let last = self.log.split(separator: "\n").suffix(3).joined(separator: " / ")
        return "\(self.ending.map { "\($0)" } ?? "it runs"), \(last)"
    }
}
