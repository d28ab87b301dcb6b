import SojournCore

@testable import SojournServer

/// Cursors and other names that clients bring back: what is read says itself again.
struct CursorTarget: FuzzTarget {
    func check(_ input: [UInt8]) {
        let text = String(decoding: input, as: UTF8.self)
        if let cursor = Cursor(text) {
            precondition(Cursor(cursor.description) == cursor, "a cursor that reads differently")
            precondition(cursor.seq >= 0 && cursor.delta ?? 0 >= 0, "a cursor before the beginning")
        }
        if let id = UUIDBits(text) { precondition(UUIDBits(id.text) == id, "an id that reads differently") }
        if let instant = Instant(iso8601: text) {
            precondition(Instant(iso8601: instant.iso8601) == instant, "a time that reads differently")
        }
        if let bytes = Base64URL.bytes(of: text) {
            precondition(Base64URL.encode(bytes) == text, "one value with two encodings")
        }
        precondition(Base64URL.bytes(of: Base64URL.encode(input)) == input, "an encoding that decodes differently")
    }
}
