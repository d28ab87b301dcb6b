/// Reads the raw bytes of a chunked body before the parser does (RFC 9112 section 7.1), as ``HeadGuard`` does the
/// head.
///
/// evhttp takes `0x` before a chunk's size, forgives a missing line end after its data, and waits without limit
/// for the end of a size line. Here a size is hexadecimal digits alone; evhttp cannot read chunk extensions, so
/// they are refused, too. Trailers are let pass, within a limit.
struct ChunkGuard {
    private enum State {
        case size
        case sizeEnd
        case data(left: Int)
        case dataReturn
        case dataFeed
        case trailers
    }

    private let bodyBytesLimit: Int
    private let trailerBytesLimit: Int
    private var state = State.size
    private var size = 0
    private var digits = 0
    private var total = 0
    private var trailerBytes = 0
    /// Bytes of the trailer line so far, and whether the last was a carriage return.
    private var lineBytes = 0
    private var afterReturn = false

    init(limits: HTTPLimits) {
        self.bodyBytesLimit = limits.bodyBytes
        self.trailerBytesLimit = limits.headerBytes
    }

    /// Takes the next bytes; those behind the body's end are not looked at.
    mutating func feed(_ bytes: Span<UInt8>) -> HeadGuard.Verdict {
        var index = 0
        while index < bytes.count {
            if case .data(let left) = self.state {
                let count = min(left, bytes.count - index)
                index += count
                self.state = count == left ? .dataReturn : .data(left: left - count)
                continue
            }
            let verdict = self.take(bytes[index])
            guard verdict == .more else { return verdict }
            index += 1
        }
        return .more
    }

    private mutating func take(_ byte: UInt8) -> HeadGuard.Verdict {
        switch self.state {
        case .size:
            if let digit = hexValue(byte), self.digits < 8 {
                self.digits += 1
                self.size = self.size << 4 | Int(digit)
                return .more
            }
            guard byte == UInt8(ascii: "\r"), self.digits > 0 else { return Self.malformed }
            self.state = .sizeEnd
        case .sizeEnd:
            guard byte == UInt8(ascii: "\n") else { return Self.malformed }
            self.total += self.size
            if self.total > self.bodyBytesLimit {
                return .refuse(status: 413, message: "The request body is too large")
            }
            self.state = self.size == 0 ? .trailers : .data(left: self.size)
            self.size = 0
            self.digits = 0
        case .data: break
        case .dataReturn:
            guard byte == UInt8(ascii: "\r") else { return Self.malformed }
            self.state = .dataFeed
        case .dataFeed:
            guard byte == UInt8(ascii: "\n") else { return Self.malformed }
            self.state = .size
        case .trailers: return self.take(trailer: byte)
        }
        return .more
    }

    private mutating func take(trailer byte: UInt8) -> HeadGuard.Verdict {
        self.trailerBytes += 1
        if self.trailerBytes > self.trailerBytesLimit {
            return .refuse(status: 431, message: "The request's trailers are too large")
        }
        if byte == UInt8(ascii: "\n") {
            if self.lineBytes == (self.afterReturn ? 1 : 0) { return .complete }
            self.lineBytes = 0
            self.afterReturn = false
        } else {
            self.lineBytes += 1
            self.afterReturn = byte == UInt8(ascii: "\r")
        }
        return .more
    }

    private static var malformed: HeadGuard.Verdict {
        .refuse(status: 400, message: "The chunked body is malformed")
    }
}
