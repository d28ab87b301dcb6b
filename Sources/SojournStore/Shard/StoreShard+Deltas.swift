package import SojournCore
import SojournRedis

/// A piece of a message that is being written.
package struct DeltaPiece: Sendable {
    /// What is added to the text.
    package var text: String
    /// The sender's number of the piece, from 0; a piece that was sent twice is taken once. Nil: just add it.
    package var index: Int?

    /// A piece.
    package init(text: String, index: Int? = nil) {
        self.text = text
        self.index = index
    }
}

/// How far a message that is being written has come.
package struct DeltaProgress: Sendable {
    /// A reader with this cursor has everything so far.
    package let cursor: Cursor
    /// How many pieces of the message have been taken.
    package let pieces: Int
}

extension StoreShard {
    /// How long deltas are kept after the last one.
    private static let deltaLife = 600_000
    /// How many deltas are kept of a message.
    private static let deltasKept = 16_384

    /// Publishes pieces of a message that is being written, as one delta.
    ///
    /// - Parameter turnID: the turn, if it is one's; with a space and its worker's token behind it only while that is
    ///   the current one.
    /// - Throws: `STALE_LEASE`, `VALIDATION_ERROR` when pieces before these are missing; the errors of ``session(_:)``.
    package func publish(
        _ pieces: [DeltaPiece], of message: String, turnID: String?, in id: SessionID,
        idempotency: Idempotency? = nil
    ) async throws(StoreError) -> DeltaProgress {
        let keys = self.keyspace.keys(of: id)
        var args: [RedisArgument] = [
            .string(id.text), self.replid, .string(message), .string(turnID ?? ""), .integer(Self.deltaLife),
            .integer(Self.deltasKept), .string(idempotency?.fingerprint ?? ""),
        ]
        for piece in pieces {
            var text: [UInt8] = []
            JSON.write(piece.text, to: &text)
            args.append(.string(piece.index.map { String($0) } ?? ""))
            args.append(.bytes(Array(text[1..<(text.count - 1)])))
        }
        let answer = try await self.call(
            self.scripts.delta,
            keys: [
                keys.session, keys.clock, keys.deltas, keys.channel, keys.idempotency(idempotency?.hash),
            ], args: args, order: "delta:" + id.text)
        switch answer.first?.int {
        case 1:
            guard answer.count == 6, let epoch = answer[2].string, let head = answer[3].int, let number = answer[4].int,
                let taken = answer[5].int
            else { throw self.malformed("delta") }
            self.note(answer[1])
            self.counters.deltas += 1
            return DeltaProgress(cursor: Cursor(epoch: epoch, seq: head, delta: number), pieces: taken)
        case 4:
            throw .staleLease(turnID?.split(separator: " ").first.flatMap { TurnID($0) }, nil)
        case 7:
            throw .validation(
                "Invalid index: pieces before this one are missing; the next index is \(answer.dropFirst().first?.int ?? 0)",
                field: "index")
        case 8: throw .idempotencyKeyReused
        default: throw try await self.gone(id)
        }
    }
}
