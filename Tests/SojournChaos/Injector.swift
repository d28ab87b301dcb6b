import Foundation
import Glibc
import SojournLoop
import SojournTesting

/// Does the harm of a schedule.
final class Injector: Sendable {
    private let bed: Bed
    private let crew: Crew
    private let history: History
    private let options: Options
    private let power: PowerCut?
    private let last = Locked("")

    init(_ bed: Bed, _ crew: Crew, _ options: Options, _ history: History) {
        self.bed = bed
        self.crew = crew
        self.options = options
        self.history = history
        self.power = options.promisesNothing ? PowerCut(bed.servers[0]) : nil
    }

    /// What was done last.
    var latest: String { self.last.withLock { $0 } }

    /// Does all of it, and returns when all is healed.
    func run(_ schedule: [Fault]) async throws {
        let start = ContinuousClock.now
        var chains: [String: Task<Void, Never>] = [:]
        for fault in schedule {
            try await Task.sleep(until: start + .seconds(fault.at), clock: .continuous)
            let previous = chains[fault.target]
            chains[fault.target] = Task {
                await previous?.value
                await self.carryOut(fault, until: start + .seconds(self.options.seconds))
            }
        }
        for task in chains.values { await task.value }
        self.power?.stop()
    }

    private func carryOut(_ fault: Fault, until end: ContinuousClock.Instant) async {
        do {
            if fault.target == "redis" {
                try await eventually(within: 90, "Redis is well before the next harm") { self.bed.isWell }
            }
            // What had to wait for a failover too long is left out.
            guard ContinuousClock.now < end else { return }
            self.last.withLock { $0 = fault.description }
            let heal = self.history.harm(fault.kind)
            defer { heal() }
            // Redis is well, so that it answers.
            let masters = fault.target == "redis" ? Set(self.bed.masters.map(\.port)) : []
            try await self.harm(fault)
            if fault.target == "redis" {
                try await eventually(within: 90, "Redis is well after: \(fault.description)") { self.bed.isWell }
                let after = Set(self.bed.masters.map(\.port))
                self.history.count { [count = after.subtracting(masters).count] in $0.failovers += count }
            }
        } catch {
            self.history.violation(.unsettled, nil, nil, "\(fault.description): \(error)")
        }
    }

    private func wait(_ fault: Fault) async { try? await Task.sleep(for: .seconds(fault.length)) }

    private func harm(_ fault: Fault) async throws {
        switch fault.kind {
        case .killNode:
            try await self.crew.takeDown(fault.place, orderly: false)
            await self.wait(fault)
            try await self.crew.bringUp(fault.place)
        case .restartSkewed:
            let ahead = [3600, -3600, 45, -45, 0].randomElement() ?? 0
            try await self.crew.takeDown(fault.place, orderly: true, ahead: ahead)
            try await self.crew.bringUp(fault.place)
        case .pauseNode:
            self.crew.node(fault.place)?.signal(SIGSTOP)
            await self.wait(fault)
            self.crew.node(fault.place)?.signal(SIGCONT)
        case .fullDisk:
            guard let node = self.crew.node(fault.place) else { return }
            // It may have ended before; then its disk has room again as well.
            try? node.fillDisk(of: self.crew.archive(fault.place))
            await self.wait(fault)
            try? node.freeDisk()
        case .killWorker:
            self.crew.worker(fault.place)?.kill9()
            await self.wait(fault)
            try self.crew.startWorker(fault.place)
        case .pauseWorker:
            self.crew.worker(fault.place)?.signal(SIGSTOP)
            await self.wait(fault)
            self.crew.worker(fault.place)?.signal(SIGCONT)
        case .slowReader: try await SlowReader(self.crew, self.history, self.options, fault).run()
        case .cutNetwork: await self.cut(fault, mute: false)
        case .blackHole: await self.cut(fault, mute: true)
        case .killMaster, .killReplica, .pauseMaster, .sleepMaster, .killPubSub, .cutPower:
            try await self.harmRedis(fault)
        }
    }

    /// No connection between a node and Redis; or one on which no answer comes any more, until it breaks.
    private func cut(_ fault: Fault, mute: Bool) async {
        guard let proxy = self.bed.proxy(fault.place) else { return }
        if mute { proxy.mute(true) } else { proxy.refuse(true) }
        await self.wait(fault)
        proxy.cut()
        proxy.mute(false)
        proxy.refuse(false)
    }

    private func harmRedis(_ fault: Fault) async throws {
        let candidates = fault.kind == .killReplica ? self.bed.replicas : self.bed.masters
        guard !candidates.isEmpty else { return }
        let server = candidates[fault.place % candidates.count]
        switch fault.kind {
        case .killMaster, .killReplica:
            server.kill9()
            await self.wait(fault)
            try await server.restart()
        case .cutPower:
            let bytes = try self.power?.strike() ?? 0
            self.history.count { $0.bytesCut += bytes }
            await self.wait(fault)
            try await server.restart()
        case .pauseMaster:
            server.signal(SIGSTOP)
            await self.wait(fault)
            server.signal(SIGCONT)
        case .sleepMaster:
            let seconds = "\(fault.length)"
            let work = BlockingWork { _ = try? server.client().send("DEBUG", "SLEEP", seconds) }
            try await work.finish(within: 30)
        default:
            for server in self.bed.servers { _ = try? server.client().send("CLIENT", "KILL", "TYPE", "pubsub") }
        }
    }
}
