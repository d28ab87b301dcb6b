public import SojournCore

/// The id of a turn, `<sessionId>.<n>`: any node finds the session in it.
public struct TurnID: Sendable, Hashable, CustomStringConvertible {
    /// The session.
    public let session: SessionID
    /// The turn's number in it, from 1.
    public let number: Int

    /// The id of a session's turn.
    public init(session: SessionID, number: Int) {
        self.session = session
        self.number = number
    }

    /// Reads an id in text form; nil when it is not one.
    public init?(_ text: some StringProtocol) {
        let halves = text.split(separator: ".", omittingEmptySubsequences: false)
        guard halves.count == 2, let session = SessionID(halves[0]), let number = Self.number(halves[1]) else {
            return nil
        }
        self.init(session: session, number: number)
    }

    /// A turn's number in text form: digits without a sign or a leading zero.
    public static func number(_ text: some StringProtocol) -> Int? {
        guard text.utf8.count < 16, text.utf8.first != UInt8(ascii: "0"),
            text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return Int(text)
    }

    /// The text form.
    public var text: String { "\(self.session.text).\(self.number)" }
    /// The text form, for logs.
    public var description: String { self.text }
}
