import CHiredis

/// Turns the bytes of one connection into replies, with hiredis' reader.
@safe final class RESPReader {
    struct Broken: Error { let message: String }

    private let reader: UnsafeMutablePointer<redisReader>

    init() {
        guard let reader = unsafe redisReaderCreate() else { preconditionFailure("hiredis: no memory for a reader") }
        unsafe self.reader = reader
    }

    deinit { unsafe redisReaderFree(self.reader) }

    func feed(_ bytes: UnsafeRawBufferPointer) throws(Broken) {
        guard unsafe redisReaderFeed(self.reader, bytes.bindMemory(to: CChar.self).baseAddress, bytes.count) == REDIS_OK
        else { throw self.broken }
    }

    /// The next whole reply, or nil when more bytes are needed.
    func next() throws(Broken) -> RESPValue? {
        var raw: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(self.reader, &raw) == REDIS_OK else { throw self.broken }
        guard let raw = unsafe raw else { return nil }
        defer { unsafe freeReplyObject(raw) }
        return unsafe Self.value(raw.assumingMemoryBound(to: redisReply.self))
    }

    private var broken: Broken {
        // errstr is a C array, which Swift sees as a tuple.
        unsafe withUnsafeBytes(of: &self.reader.pointee.errstr) { bytes in
            unsafe Broken(message: String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
        }
    }

    private static func value(_ reply: UnsafeMutablePointer<redisReply>) -> RESPValue {
        switch unsafe reply.pointee.type {
        case REDIS_REPLY_STRING: return unsafe .bulk(Array(Self.bytes(reply)))
        case REDIS_REPLY_STATUS: return unsafe .simple(String(decoding: Self.bytes(reply), as: UTF8.self))
        case REDIS_REPLY_ERROR:
            return unsafe .error(RESPErrorReply(message: String(decoding: Self.bytes(reply), as: UTF8.self)))
        case REDIS_REPLY_INTEGER: return unsafe .integer(Int(reply.pointee.integer))
        case REDIS_REPLY_ARRAY:
            let elements = unsafe UnsafeBufferPointer(start: reply.pointee.element, count: reply.pointee.elements)
            return unsafe .array(elements.map { unsafe $0.map { unsafe Self.value($0) } ?? .null })
        default: return .null
        }
    }

    private static func bytes(_ reply: UnsafeMutablePointer<redisReply>) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: reply.pointee.str, count: Int(reply.pointee.len))
    }
}
