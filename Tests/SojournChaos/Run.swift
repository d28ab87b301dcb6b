import Foundation
import SojournLoop
import SojournTesting

/// One run, from the first process to the verdict.
struct Run {
    private let options: Options
    private let history = History()

    init(_ options: Options) { self.options = options }

    /// - Returns: whether all laws held.
    func run() async throws -> Bool {
        let options = self.options
        Progress.say("==> chaos: \(options.title)")
        let bed = try await Bed.start(options, nodes: Crew.nodes)
        defer { bed.stop() }
        let crew = try Crew(bed, options, self.history)
        defer { crew.cleanUp() }
        for place in 0..<Crew.nodes { try await crew.bringUp(place) }
        for place in 0..<Crew.nodes { try crew.startWorker(place) }
        let readers = Readers(crew, self.history)
        let injector = Injector(bed, crew, options, self.history)

        let isOver = OneWay()
        let (history, start) = (self.history, ContinuousClock.now)
        let clients = (0..<options.clients).map { number in
            BlockingWork {
                var life = Life("c\(number)", options, crew, history, readers)
                dawdle(milliseconds: number * 100)
                while !isOver.isSet {
                    life.liveOnce { isOver.isSet }
                    dawdle(milliseconds: 100)
                }
            }
        }
        let watch = Task {
            var ticks = 0
            while !Task.isCancelled {
                try? await Task.sleep(for: .seconds(1))
                ticks += 1
                await crew.look()
                let counts = history.counts
                let seconds = (ContinuousClock.now - start).components.seconds
                Progress.line(
                    "\(seconds)/\(options.seconds) s: \(counts.operations) operations, "
                        + "\(counts.acknowledged) acknowledged, \(history.sessions.count) sessions, \(readers.open) readers, "
                        + "\(history.faults.values.reduce(0, +)) faults, \(history.violations.count) violations; "
                        + injector.latest, ticks)
            }
        }
        try await injector.run(Schedule.make(options))
        try? await Task.sleep(until: start + .seconds(options.seconds), clock: .continuous)
        isOver.set()
        for work in clients { try await work.finish(within: 90) }
        try await self.settle(bed, crew, readers)
        watch.cancel()
        Progress.endLine()
        await crew.stop()
        if options.isSabotaged { try Sabotage.spoil(crew) }
        Verdict(try Archives(crew), self.history, options).judge(readers.everyone)
        print(Table.text(options, self.history))
        return options.isSabotaged ? Sabotage.isSeen(by: self.history) : try self.report(bed, crew)
    }

    /// Waits until every session has ended and is archived, and every reader has its end.
    private func settle(_ bed: Bed, _ crew: Crew, _ readers: Readers) async throws {
        do {
            try await eventually(within: 120, "every session is archived") {
                try bed.isWell && bed.remains().sessions.isEmpty
            }
        } catch {
            for id in (try? bed.remains().sessions) ?? [] {
                self.history.violation(.leaked, id, nil, "it is still in Redis")
            }
        }
        do { try await eventually(within: 60, "readers come to the end") { readers.open == 0 } } catch {}
        readers.stop()
        if self.options.isSabotaged { try Sabotage.litter(bed) }
        for sentence in try bed.remains().unowned { self.history.violation(.leaked, nil, nil, sentence) }
        self.readBack(crew)
    }

    /// Law 8 by the public interface: any node gives what any archive has.
    private func readBack(_ crew: Crew) {
        var random = SeededGenerator(seed: self.options.seed)
        let said = Dictionary(grouping: self.history.messages.filter { $0.seq != nil && $0.isPromised }, by: \.session)
        for (id, messages) in said.shuffled(using: &random).prefix(40) {
            let port = crew.ports.randomElement(using: &random) ?? 0
            let path = "\(NodeProcess.sessions)/\(id)/events?archived=1&limit=1000&types=user.message"
            guard let answer = try? RawHTTP.ask(port: port, "GET", path), answer.status == 200 else {
                self.history.violation(.lost, id, nil, "no answer to \(path)")
                continue
            }
            let seqs = Set((answer.body["events"] as? [[String: Any]] ?? []).compactMap { $0["seq"] as? Int })
            for message in messages where !seqs.contains(message.seq ?? 0) {
                self.history.violation(.lost, id, message.seq, "\(path) lacks it")
            }
            self.history.count { $0.readBack += 1 }
        }
    }

    /// Says what was wrong, and keeps what explains it.
    private func report(_ bed: Bed, _ crew: Crew) throws -> Bool {
        let complaints = Table.complaints(self.history)
        guard !complaints.isEmpty else {
            print("\nall laws held")
            return true
        }
        print("\n" + complaints.joined(separator: "\n"))
        let folder = "\(self.options.logs)/\(self.options.topology.rawValue)-\(self.options.seed)"
        try? FileManager.default.removeItem(atPath: folder)
        for (name, source) in [("nodes", crew.folder)] + bed.folders {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
            let files = try FileManager.default.contentsOfDirectory(atPath: source.path)
            for file in files
            where ["log", "err", "out", "sqlite", "conf"].contains(file.split(separator: ".").last ?? "") {
                try? FileManager.default.copyItem(atPath: source.file(file), toPath: "\(folder)/\(name)/\(file)")
            }
        }
        try complaints.joined(separator: "\n").write(toFile: "\(folder)/violations", atomically: true, encoding: .utf8)
        print("\nlogs and archives: \(folder)")
        return false
    }
}

/// A flag that is set once.
final class OneWay: Sendable {
    private let flag = Locked(false)
    var isSet: Bool { self.flag.withLock { $0 } }
    func set() { self.flag.withLock { $0 = true } }
}
