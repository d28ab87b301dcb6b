import SojournCore
import SojournHTTP
import SojournStore

/// Token by token: what is added to a message that is being written.
extension NodeServer {
    private static let piecesLimit = 1000
    private static let pieceUnits = 65_536

    var deltaRoutes: [Route] {
        [
            Route(.post, Self.base + "/:id/deltas", needs: .work) { [unowned self] context throws(StoreError) in
                let id = try self.shard.sessionID(context.captures[0])
                let request = try DeltaRequest(try context.body())
                let progress = try await self.deltas.publish(
                    request.pieces, of: request.messageID, turnID: request.turnID, in: id,
                    idempotency: try Idempotency(context, clientKey: nil))
                return .json(
                    200,
                    [
                        "messageId": .string(request.messageID), "cursor": .string(progress.cursor.description),
                        "nextIndex": JSON(progress.pieces),
                    ])
            }
        ]
    }

    /// `{messageId, turnId?, text, index?}`, or `{messageId, turnId?, deltas: [{text, index?}…]}`.
    struct DeltaRequest {
        let messageID: String
        let turnID: String?
        let pieces: [DeltaPiece]

        init(_ body: JSON?) throws(StoreError) {
            self.messageID = try Self.id(body?["messageId"], "messageId")
            self.turnID =
                body?["turnId"] == nil || body?["turnId"] == .null ? nil : try Self.id(body?["turnId"], "turnId")
            var pieces: [DeltaPiece] = []
            if let list = body?["deltas"] {
                guard let elements = list.array, (1...NodeServer.piecesLimit).contains(elements.count) else {
                    throw .validation(
                        "Invalid deltas: Must be an array of 1 to \(NodeServer.piecesLimit) pieces", field: "deltas")
                }
                for element in elements { pieces.append(try Self.piece(element)) }
            } else {
                pieces.append(try Self.piece(body ?? .null))
            }
            self.pieces = pieces
        }

        private static func piece(_ value: JSON) throws(StoreError) -> DeltaPiece {
            guard let text = value["text"]?.string, text.utf16.count <= NodeServer.pieceUnits else {
                throw .validation(
                    "Invalid text: Must be a string of at most \(NodeServer.pieceUnits) characters", field: "text")
            }
            guard let index = value["index"], index != .null else { return DeltaPiece(text: text) }
            guard let number = index.int, (0..<1 << 40).contains(number) else {
                throw .validation("Invalid index: Must be a whole number from 0", field: "index")
            }
            return DeltaPiece(text: text, index: number)
        }

        /// Ids go into events unescaped, so they are plain.
        private static func id(_ value: JSON?, _ field: String) throws(StoreError) -> String {
            let isPlain = { (byte: UInt8) in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: ":")].contains(byte)
            }
            guard let text = value?.string, (1...64).contains(text.utf8.count), text.utf8.allSatisfy(isPlain) else {
                throw .validation(
                    "Invalid \(field): Must be 1 to 64 letters, digits, '-', '.', '_' or ':'", field: field)
            }
            return text
        }
    }
}
