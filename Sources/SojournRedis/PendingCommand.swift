import SojournLoop

/// One command from the call until its answer.
final class PendingCommand {
    enum Payload {
        case plain([RedisArgument])
        case script(Script, keys: [String], arguments: [RedisArgument])
    }

    let payload: Payload
    let kind: RedisCommandKind
    /// On ``EventLoop/now``.
    let deadline: Int
    let orderKey: String?
    let file: String
    let line: UInt
    /// The server does not know the script: its text must be sent.
    var asEval = false
    /// `ASKING` goes before it: its slot is on its way to this server.
    var isAsking = false
    /// A read that was sent again after a connection broke.
    var wasRetried = false
    /// When it was sent, on ``EventLoop/now``.
    var sentAt = 0
    /// Called while the pipeline is being changed: it may resume a task, not do its work.
    private var finish: ((Result<RESPValue, RedisError>) -> Void)?

    init(
        _ payload: Payload, kind: RedisCommandKind, deadline: Int, orderKey: String? = nil,
        file: String = #fileID, line: UInt = #line, finish: @escaping (Result<RESPValue, RedisError>) -> Void
    ) {
        self.payload = payload
        self.kind = kind
        self.deadline = deadline
        self.orderKey = orderKey
        self.file = file
        self.line = line
        self.finish = finish
    }

    /// Whether the caller has its answer; a reply that comes now is discarded.
    var isAnswered: Bool { self.finish == nil }

    func answer(_ result: Result<RESPValue, RedisError>) {
        guard let finish = self.finish else { return }
        self.finish = nil
        finish(result)
    }

    func fail(_ code: RedisError.Code, _ message: String, at endpoint: Endpoint) {
        self.answer(
            .failure(RedisError(code: code, message: message, endpoint: endpoint, file: self.file, line: self.line)))
    }
}
