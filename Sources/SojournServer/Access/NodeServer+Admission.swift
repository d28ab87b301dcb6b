import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// Whom this node admits to what; for routes and for live connections.
extension NodeServer {
    /// Who has this key or token; nil for one that is not valid now. Without keys and tokens everyone is admitted.
    func caller(of secret: String) -> Caller? { self.gate.caller(of: secret, at: self.shard.now) }

    /// Makes sure that a caller may do something with a session.
    ///
    /// - Throws: `SESSION_NOT_FOUND` for a session outside the caller's scope, as for one that does not exist;
    ///   `FORBIDDEN` when the caller lacks the rights.
    func admit(_ caller: Caller, to session: String, for rights: Rights) async throws(StoreError) {
        switch caller.scope {
        case .all: break
        case .session(let own): guard own == session else { throw .sessionNotFound(session) }
        case .user(let user):
            let id = try self.shard.sessionID(session)
            guard try await self.shard.owner(of: id) == user else { throw .sessionNotFound(session) }
        }
        try caller.require(rights)
    }

    /// Keeps a caller to what it may do, and a token to its sessions.
    func confine(_ context: RouteContext, to route: Route) async throws(StoreError) {
        if case .all = context.caller.scope { return try context.caller.require(route.needs) }
        if route.isOfSession {
            return try await self.admit(context.caller, to: context.captures[0], for: route.needs)
        }
        guard route.confinesItself || route.isOpen else {
            throw StoreError(.forbidden, "A session token opens only its sessions")
        }
        try context.caller.require(route.needs)
    }

    /// Calls `expired` once when the caller's token has expired and was not refreshed. Keep what is returned for as long
    /// as the connection lives; nil when the caller's access does not end.
    func watchExpiry(of caller: Caller, _ expired: @escaping () -> Void) -> ExpiryWatch? {
        caller.token.map { ExpiryWatch(server: self, token: $0, expired: expired) }
    }
}

/// Waits for the end of a token's time, and looks then whether it was refreshed meanwhile. Loop-confined.
final class ExpiryWatch {
    /// The reason in `stream.end`, and of the close of a WebSocket.
    static let reason = "token_expired"
    /// A timer is set again at least so often, in ms: the time that tokens go by may be moved in tests.
    private static let longest: Int64 = 1000

    private unowned let server: NodeServer
    private let token: SessionToken
    private var end: Instant
    private let expired: () -> Void
    private var timer: LoopTimer?

    init(server: NodeServer, token: SessionToken, expired: @escaping () -> Void) {
        self.server = server
        self.token = token
        self.end = Instant(milliseconds: Int64(token.expiresAt) * 1000)
        self.expired = expired
        self.timer = LoopTimer(loop: server.loop) { [weak self] in self?.look() }
        self.arm()
    }

    private func arm() {
        let left = self.end - self.server.shard.now
        self.timer?.start(afterMilliseconds: Int(min(max(left, 1), Self.longest)))
    }

    private func look() {
        guard self.server.shard.now >= self.end else { return self.arm() }
        self.server.loop.spawn { [weak self] in await self?.decide() }
    }

    private func decide() async {
        let shard = self.server.shard
        do throws(StoreError) {
            if let later = try await shard.refreshedExpiry(of: self.token.id), later > shard.now {
                self.end = later
                self.arm()
            } else if self.timer != nil {
                self.timer = nil
                self.expired()
            }
        } catch {
            // Redis is away; nobody can have refreshed it meanwhile either.
            self.arm()
        }
    }
}
