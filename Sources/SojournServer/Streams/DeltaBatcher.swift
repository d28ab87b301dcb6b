import SojournCore
import SojournLoop
import SojournStore

/// Collects the pieces of messages that are being written for a moment, so that tokens that come one by one cost
/// one script call and one frame a reader for many of them. Loop-confined.
final class DeltaBatcher {
    /// How long a piece waits for others, in milliseconds.
    static let pause = 15
    /// A batch that is larger leaves at once.
    private static let batchBytes = 32_768

    private struct Key: Hashable {
        let session: SessionID
        let message: String
        let turn: String?
    }

    private final class Batch {
        var pieces: [DeltaPiece] = []
        var bytes = 0
        var waiting: [(Result<DeltaProgress, StoreError>) -> Void] = []
    }

    private let shard: StoreShard
    private var batches: [Key: Batch] = [:]

    init(shard: StoreShard) { self.shard = shard }

    /// Adds pieces and waits until they are published.
    func publish(
        _ pieces: [DeltaPiece], of message: String, turnID: String?, in id: SessionID,
        idempotency: Idempotency? = nil
    ) async throws(StoreError) -> DeltaProgress {
        // What may be repeated has an answer of its own.
        if let idempotency {
            return try await self.shard.publish(
                pieces, of: message, turnID: turnID, in: id, idempotency: idempotency)
        }
        let key = Key(session: id, message: message, turn: turnID)
        let result = await withCheckedContinuation {
            (continuation: CheckedContinuation<Result<DeltaProgress, StoreError>, Never>) in
            let batch = self.batches[key] ?? self.open(key)
            batch.pieces += pieces
            batch.bytes += pieces.reduce(0) { $0 + $1.text.utf8.count }
            batch.waiting.append { continuation.resume(returning: $0) }
            if batch.bytes > Self.batchBytes { self.flush(key, batch) }
        }
        return try result.get()
    }

    private func open(_ key: Key) -> Batch {
        let batch = Batch()
        self.batches[key] = batch
        self.shard.loop.spawn { [weak self] in
            guard let self else { return }
            await self.shard.loop.sleep(milliseconds: Self.pause)
            self.flush(key, batch)
        }
        return batch
    }

    private func flush(_ key: Key, _ batch: Batch) {
        guard self.batches[key] === batch else { return }
        self.batches[key] = nil
        self.shard.loop.spawn { [shard] in
            do throws(StoreError) {
                let progress = try await shard.publish(
                    batch.pieces, of: key.message, turnID: key.turn, in: key.session)
                for resume in batch.waiting { resume(.success(progress)) }
            } catch {
                for resume in batch.waiting { resume(.failure(error)) }
            }
        }
    }
}
