import SojournCore
import SojournHTTP
import SojournStore

/// What a client asks for when it opens an event stream.
struct StreamRequest {
    var after: Cursor
    var dialect = EventFrame.Dialect.sojourn
    /// Whether it wants `presence` events.
    var presence = false
    /// The name by which it wants to be seen.
    var client: String?

    /// - Throws: `VALIDATION_ERROR`.
    init(_ context: RouteContext, _ session: Session) throws(StoreError) {
        let asked = context.exchange.header("Last-Event-ID").flatMap { $0.isEmpty ? nil : $0 } ?? context.query("after")
        self.after = try Input.cursor(asked, in: session)
        if let word = context.query("dialect"), !word.isEmpty {
            guard let known = EventFrame.Dialect(rawValue: word) else {
                throw .validation("Invalid dialect '\(word)': Must be one of: sojourn, eliza", field: "dialect")
            }
            self.dialect = known
        }
        self.presence = context.query("presence") == "1"
        self.client = try Input.client(context.query("client"))
    }
}
