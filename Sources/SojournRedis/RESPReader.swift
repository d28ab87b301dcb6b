import CHiredis

/// Turns the bytes of one connection into replies, with hiredis' reader.
///
/// hiredis tells ``Parts`` what it finds, instead of building objects of its own: a reply costs one piece of memory for
/// all its strings and one for each list.
@safe final class RESPReader {
    struct Broken: Error { let message: String }

    private let reader: UnsafeMutablePointer<redisReader>
    private let parts = Parts()

    init() {
        guard let reader = unsafe redisReaderCreateWithFunctions(Parts.functions) else {
            preconditionFailure("hiredis: no memory for a reader")
        }
        unsafe self.reader = reader
        // Both live as long as this object.
        unsafe reader.pointee.privdata = Unmanaged.passUnretained(self.parts).toOpaque()
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
        return unsafe raw == nil ? nil : self.parts.take()
    }

    private var broken: Broken {
        // errstr is a C array, which Swift sees as a tuple.
        unsafe withUnsafeBytes(of: &self.reader.pointee.errstr) { bytes in
            unsafe Broken(message: String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
        }
    }
}

/// What hiredis has found of one reply: its parts in the order of their beginnings, and the bytes of its strings.
@safe private final class Parts {
    private enum Part {
        case null
        case integer(Int)
        case simple(Range<Int>)
        case bulk(Range<Int>)
        case error(Range<Int>)
        case array(count: Int)
    }

    private var parts: [Part] = []
    private var bytes: [UInt8] = []

    /// The table that hiredis calls; it lives as long as the process.
    nonisolated(unsafe) static let functions: UnsafeMutablePointer<redisReplyObjectFunctions> = {
        let table = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        unsafe table.initialize(
            to: redisReplyObjectFunctions(
                createString: { task, start, count in unsafe Parts.of(task)?.addString(task, start, count) },
                createArray: { task, count in unsafe Parts.of(task)?.add(.array(count: Int(count))) },
                createInteger: { task, number in unsafe Parts.of(task)?.add(.integer(Int(number))) },
                createNil: { task in unsafe Parts.of(task)?.add(.null) },
                // Asked for when a reply is broken, with which the connection ends.
                freeObject: { _ in }))
        return unsafe table
    }()

    private static func of(_ task: UnsafePointer<redisReadTask>?) -> Parts? {
        unsafe task?.pointee.privdata.map { unsafe Unmanaged<Parts>.fromOpaque($0).takeUnretainedValue() }
    }

    /// What hiredis gets for an object: only that it is not null counts.
    private func add(_ part: Part) -> UnsafeMutableRawPointer? {
        self.parts.append(part)
        return unsafe UnsafeMutableRawPointer(bitPattern: 1)
    }

    private func addString(
        _ task: UnsafePointer<redisReadTask>?, _ start: UnsafeMutablePointer<CChar>?, _ count: Int
    ) -> UnsafeMutableRawPointer? {
        let from = self.bytes.count
        unsafe self.bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count))
        let range = from..<self.bytes.count
        switch unsafe task?.pointee.type {
        case REDIS_REPLY_ERROR: return unsafe self.add(.error(range))
        case REDIS_REPLY_STATUS: return unsafe self.add(.simple(range))
        default: return unsafe self.add(.bulk(range))
        }
    }

    /// The reply that has been found, whose strings share one piece of memory.
    func take() -> RESPValue {
        let bytes = self.bytes
        self.bytes = []
        var rest = self.parts[...]
        defer { self.parts.removeAll(keepingCapacity: true) }
        return Self.value(&rest, bytes)
    }

    private static func value(_ rest: inout ArraySlice<Part>, _ bytes: [UInt8]) -> RESPValue {
        switch rest.popFirst() {
        case .integer(let number)?: return .integer(number)
        case .simple(let range)?: return .simple(String(decoding: bytes[range], as: UTF8.self))
        case .bulk(let range)?: return .bulk(bytes[range])
        case .error(let range)?:
            return .error(RESPErrorReply(message: String(decoding: bytes[range], as: UTF8.self)))
        case .array(let count)?:
            var elements: [RESPValue] = []
            elements.reserveCapacity(count)
            for _ in 0..<count { elements.append(Self.value(&rest, bytes)) }
            return .array(elements)
        case .null?, nil: return .null
        }
    }
}
