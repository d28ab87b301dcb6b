import SojournCore

/// Encodes commands as RESP arrays of bulk strings, one after the other in one buffer.
struct RESPWriter {
    private(set) var bytes: [UInt8] = []
    /// What `replicationID` stands for.
    var replicationID = ""

    /// The lines before the usual strings.
    private static let lengths = (0..<128).map { Array("$\($0)\r\n".utf8) }
    private static let lineEnd: [UInt8] = [0x0D, 0x0A]

    mutating func removeAll() { self.bytes.removeAll(keepingCapacity: true) }

    mutating func append(_ payload: PendingCommand.Payload, asEval: Bool) {
        switch payload {
        case .plain(let arguments):
            self.header(arguments.count)
            for argument in arguments { self.append(argument) }
        case .script(let script, let keys, let arguments):
            self.header(3 + keys.count + arguments.count)
            self.append(asEval ? "EVAL" : "EVALSHA")
            self.append(asEval ? script.source : script.sha1)
            self.append(.integer(keys.count))
            for key in keys { self.append(key) }
            for argument in arguments { self.append(argument) }
        }
    }

    mutating func append(_ words: [String]) {
        self.header(words.count)
        for word in words { self.append(word) }
    }

    private mutating func header(_ count: Int) { self.line(0x2A, count) }

    private mutating func append(_ argument: RedisArgument) {
        switch argument {
        case .string(let text): self.append(text)
        case .bytes(let bytes):
            self.line(0x24, bytes.count)
            self.bytes += bytes
            self.endLine()
        case .integer(let number): self.append(String(number))
        case .replicationID: self.append(self.replicationID)
        }
    }

    private mutating func append(_ text: String) {
        self.line(0x24, text.utf8.count)
        self.bytes += text.utf8
        self.endLine()
    }

    private mutating func line(_ mark: UInt8, _ number: Int) {
        if number < Self.lengths.count, mark == 0x24 {
            self.bytes += Self.lengths[number]
        } else {
            self.bytes.append(mark)
            self.bytes.append(decimal: number)
            self.endLine()
        }
    }

    private mutating func endLine() {
        self.bytes += Self.lineEnd
    }
}
