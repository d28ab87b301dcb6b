import SojournArchive
package import SojournCore
import SojournLoop
import SojournRedis

/// Questions to archivists, through Redis: nodes need no addresses of each other.
///
///     asker      RPUSH question to the archivist's list, ring      (ask.lua; the list lapses)
///     archivist  LPOP, answer, SET the answer, ring the asker      (reply.lua; the answer lapses)
///     asker      GET the answer
///
/// A question is a kind and JSON, an answer is JSON or a ``StoreError`` that is thrown where it was asked. One that
/// gets lost is not asked again here; so what it makes the archivist do must bear repeating. Loop-confined; one a
/// shard. ``ArchiveDesk`` is the other end.
package final class ArchiveLine {
    /// How long an answer is waited for unless the caller says, in milliseconds.
    package static let patience = 5_000
    /// How often an answer is looked for that nobody rang for, in milliseconds.
    static let look = 500
    /// How many questions may wait for one archivist.
    static let most = 1_000

    private unowned let shard: StoreShard
    /// What names this end: random, so that nobody gets the answers to an earlier process.
    private let name = Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) })
    private var number = 0
    /// Questions without an answer yet, and whether somebody rang for them while nobody waited.
    private var open: [Int: Bool] = [:]
    private var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    private var isListening = false
    /// The desk of this node's own archive, if it has one: its questions need no Redis.
    var own: ArchiveDesk?

    init(shard: StoreShard) { self.shard = shard }

    /// The archivists that live.
    package func live() async throws(StoreError) -> [String] {
        try await self.shard.call(
            self.shard.scripts.alive, keys: [self.shard.keyspace.archivists], args: [.integer(Registry.silence)]
        ).compactMap(\.string)
    }

    /// Asks one archivist.
    ///
    /// - Parameter patience: how long to wait for the answer, in milliseconds.
    /// - Throws: `ARCHIVE_UNAVAILABLE` naming it when it is away or does not answer; else what it answers.
    package func ask(
        _ archivist: String, _ kind: String, _ body: JSON, patience: Int = patience
    ) async throws(StoreError) -> JSON {
        if let own, own.archive.id == archivist, own.knows(kind) { return try await own.answer(kind, body) }
        guard try await self.live().contains(archivist) else { throw Self.away(archivist) }
        return try await self.send(archivist, kind, body, patience: patience)
    }

    /// Asks all archivists that live, at once.
    ///
    /// - Returns: what each has answered, or why it has not; in no order.
    package func askAll(
        _ kind: String, _ body: JSON, patience: Int = patience
    ) async throws(StoreError) -> [(archivist: String, answer: Result<JSON, StoreError>)] {
        var answers: [(archivist: String, answer: Result<JSON, StoreError>)] = []
        await self.shard.concurrently(try await self.live()) { archivist in
            do throws(StoreError) {
                if let own = self.own, own.archive.id == archivist, own.knows(kind) {
                    answers.append((archivist, .success(try await own.answer(kind, body))))
                } else {
                    answers.append(
                        (archivist, .success(try await self.send(archivist, kind, body, patience: patience))))
                }
            } catch {
                answers.append((archivist, .failure(error)))
            }
        }
        return answers
    }

    /// The error that says that an archivist is away.
    package static func away(_ archivist: String) -> StoreError {
        StoreError(
            .archiveUnavailable, "The archivist '\(archivist)' is away; what it holds can be read when it is back",
            details: ["archivist": .string(archivist)], retryAfter: 5)
    }

    // MARK: One question

    private func send(
        _ archivist: String, _ kind: String, _ body: JSON, patience: Int
    ) async throws(StoreError) -> JSON {
        await self.listen()
        self.number += 1
        let number = self.number
        self.open[number] = false
        defer { self.open[number] = nil }
        let (keyspace, scripts) = (self.shard.keyspace, self.shard.scripts)
        let question: JSON = [
            "kind": .string(kind), "asker": .string(self.name), "number": JSON(number), "body": body,
            "life": JSON(patience * 2),
        ]
        let asked = try await self.shard.call(
            scripts.ask, keys: [keyspace.questions(archivist)],
            args: [.bytes(question.bytes), .integer(patience * 2), .integer(Self.most)])
        guard asked.first?.int == 1 else {
            throw StoreError(
                .archiveUnavailable, "The archivist '\(archivist)' has too many questions to answer",
                details: ["archivist": .string(archivist)], retryAfter: 1)
        }
        let key = keyspace.answer(self.name, number)
        let end = EventLoop.now + patience
        while true {
            if let bytes = try await self.take(key) { return try Self.read(bytes) }
            let left = end - EventLoop.now
            guard left > 0 else { throw Self.away(archivist) }
            await self.wait(number, milliseconds: min(left, Self.look))
        }
    }

    private func take(_ key: String) async throws(StoreError) -> [UInt8]? {
        let redis = self.shard.redis
        do {
            guard let bytes = try await redis.send(["GET", .string(key)], kind: .read).bytes else { return nil }
            // It would lapse by itself; a large one need not wait for that.
            self.shard.loop.spawn { _ = try? await redis.send(["DEL", .string(key)], kind: .write) }
            return bytes
        } catch {
            throw self.shard.translate(error, in: "ask")
        }
    }

    private static func read(_ bytes: [UInt8]) throws(StoreError) -> JSON {
        guard let answer = try? JSON.parse(bytes) else { throw .unexpected }
        if let body = answer["answer"] { return body }
        throw StoreError(wire: answer["error"]) ?? .unexpected
    }

    // MARK: Being rung for

    private func listen() async {
        guard !self.isListening else { return }
        self.isListening = true
        let channel = self.shard.keyspace.answers(self.name)
        self.shard.feed.bells[channel] = { [weak self] in self?.rang($0) }
        do {
            try await self.shard.feed.subscriber.subscribe(channel)
        } catch {
            // Answers are looked for all the same; the next question tries again.
            self.isListening = false
        }
    }

    private func rang(_ payload: [UInt8]) {
        // Without a number rings may have been missed: everybody looks.
        for number in Int(String(decoding: payload, as: UTF8.self)).map({ [$0] }) ?? Array(self.open.keys)
        where self.open[number] != nil {
            self.open[number] = true
            self.waiting.removeValue(forKey: number)?.resume()
        }
    }

    private func wait(_ number: Int, milliseconds: Int) async {
        defer { self.open[number] = false }
        guard self.open[number] == false else { return }
        let timer = LoopTimer(loop: self.shard.loop) { [weak self] in
            self?.waiting.removeValue(forKey: number)?.resume()
        }
        timer.start(afterMilliseconds: milliseconds)
        await withCheckedContinuation { self.waiting[number] = $0 }
        timer.stop()
    }
}

extension StoreError {
    /// An error as it travels between nodes.
    var wire: JSON {
        [
            "code": .string(self.code.name), "status": JSON(self.code.status), "message": .string(self.message),
            "details": self.details.map(JSON.object) ?? .null, "retryAfter": self.retryAfter.map { JSON($0) } ?? .null,
        ]
    }

    init?(wire: JSON?) {
        guard let code = wire?["code"]?.string, let status = wire?["status"]?.int,
            let message = wire?["message"]?.string
        else { return nil }
        self.init(
            Code(name: code, status: status), message, details: wire?["details"]?.object,
            retryAfter: wire?["retryAfter"]?.int)
    }
}
