@testable import SojournRedis

/// Replies of Redis: however the bytes are cut, the same values come out, and a broken stream is called broken.
struct RESPTarget: FuzzTarget {
    func check(_ input: [UInt8]) {
        let whole = Self.read([input.dropFirst()])
        let cut = Self.read(pieces(of: input))
        precondition(whole.values == cut.values, "the values depend on where the bytes were cut")
        precondition(whole.isBroken == cut.isBroken, "whether it is broken depends on where the bytes were cut")
    }

    private static func read(_ parts: [ArraySlice<UInt8>]) -> (values: [RESPValue], isBroken: Bool) {
        let reader = RESPReader()
        var values: [RESPValue] = []
        do {
            for part in parts {
                try part.withUnsafeBytes { try reader.feed($0) }
                while let value = try reader.next() { values.append(value) }
            }
            return (values, false)
        } catch {
            return (values, true)
        }
    }
}
