package import SojournArchive
package import SojournCore
import SojournLoop
import SojournRedis

/// Answers the questions that nodes ask this node's archive; see ``ArchiveLine``.
///
/// Every shard of an archiving node has one, for its own questions; that of the node's duties also takes those that
/// come through Redis. Loop-confined.
package final class ArchiveDesk {
    /// Answers one kind of question.
    package typealias Clerk = (JSON) async throws(StoreError) -> JSON

    /// How often the list is looked at when nobody rings, in milliseconds.
    static let look = 1_000
    /// Questions taken at once.
    static let batch = 32

    /// The archive that is asked.
    package let archive: Archive
    private unowned let shard: StoreShard
    private var clerks: [String: Clerk] = [:]
    private var isRunning = false
    private var isTaking = false
    private var isRung = false
    private var underWay = 0
    private var timer: LoopTimer?

    init(shard: StoreShard, archive: Archive) {
        self.shard = shard
        self.archive = archive
        self.hireReaders()
        self.hireStretches()
    }

    /// Has questions of a kind answered. What they make the archive do must bear repeating.
    package func hire(_ kind: String, _ clerk: @escaping Clerk) { self.clerks[kind] = clerk }

    /// Whether there is somebody for this kind here.
    func knows(_ kind: String) -> Bool { self.clerks[kind] != nil }

    /// Answers a question of this node.
    func answer(_ kind: String, _ body: JSON) async throws(StoreError) -> JSON {
        guard let clerk = self.clerks[kind] else {
            throw StoreError(
                .archiveUnavailable, "The archivist '\(self.archive.id)' does not know questions of the kind '\(kind)'")
        }
        return try await clerk(body)
    }

    // MARK: Through Redis

    /// Begins to take questions from Redis.
    func start() {
        self.isRunning = true
        let channel = self.shard.keyspace.questions(self.archive.id)
        self.shard.feed.bells[channel] = { [weak self] _ in self?.rang() }
        self.timer = LoopTimer(loop: self.shard.loop) { [weak self] in self?.rang() }
        self.timer?.start(afterMilliseconds: Self.look)
        self.shard.loop.spawn { [weak self] in
            while let self, self.isRunning {
                if (try? await self.shard.feed.subscriber.subscribe(channel)) != nil { break }
                await self.shard.loop.sleep(milliseconds: 200)
            }
            self?.rang()
        }
    }

    /// Takes no more questions and finishes those that were taken.
    func stop() async {
        self.isRunning = false
        self.timer?.stop()
        let channel = self.shard.keyspace.questions(self.archive.id)
        self.shard.feed.bells[channel] = nil
        self.shard.feed.subscriber.unsubscribe(channel)
        while self.underWay > 0 || self.isTaking { await self.shard.loop.sleep(milliseconds: 5) }
    }

    private func rang() {
        guard self.isRunning else { return }
        self.isRung = true
        self.timer?.start(afterMilliseconds: Self.look)
        guard !self.isTaking else { return }
        self.isTaking = true
        self.shard.loop.spawn { [weak self] in await self?.take() }
    }

    private func take() async {
        let key = self.shard.keyspace.questions(self.archive.id)
        while self.isRunning, self.isRung {
            self.isRung = false
            let command: RedisCommand = ["LPOP", .string(key), .integer(Self.batch)]
            let questions = (try? await self.shard.redis.send(command, kind: .write))?.array ?? []
            if questions.count == Self.batch { self.isRung = true }
            for question in questions.compactMap(\.bytes) {
                self.underWay += 1
                self.shard.loop.spawn { [weak self] in
                    await self?.reply(to: question)
                    self?.underWay -= 1
                }
            }
        }
        self.isTaking = false
    }

    private func reply(to bytes: [UInt8]) async {
        guard let question = try? JSON.parse(bytes), let kind = question["kind"]?.string,
            let asker = question["asker"]?.string, let number = question["number"]?.int
        else {
            self.shard.log(
                .warning, "something that is no question lay on the archivist's list; it is dropped",
                ["archive.id": self.archive.id])
            return
        }
        let answer: JSON
        do throws(StoreError) {
            answer = ["answer": try await self.answer(kind, question["body"] ?? .null)]
        } catch {
            answer = ["error": error.wire]
        }
        let keyspace = self.shard.keyspace
        _ = try? await self.shard.call(
            self.shard.scripts.reply, keys: [keyspace.answer(asker, number), keyspace.answers(asker)],
            args: [
                .bytes(answer.bytes), .integer(question["life"]?.int ?? ArchiveLine.patience), .integer(number),
            ])
    }
}
