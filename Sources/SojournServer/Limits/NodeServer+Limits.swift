import SojournCore
import SojournHTTP
import SojournLoop
import SojournStore

/// Who may ask how often.
extension NodeServer {
    /// Counts a request, and says in its answer how much is left.
    ///
    /// - Throws: `RATE_LIMIT_EXCEEDED`.
    func limit(_ context: RouteContext, _ route: Route) async throws(StoreError) {
        guard !self.configuration.rateRules.isEmpty else { return }
        var subjects = self.subjects(
            route.kind, of: context.caller, session: route.isOfSession ? context.captures[0] : nil,
            address: self.addresses.counted(context.exchange))
        if self.limits(.user, route.kind), let user = await self.user(of: context, route) {
            self.count(.user, route.kind, user, in: &subjects)
        }
        try await self.draw(subjects, for: context.exchange)
    }

    /// Counts an operation of a WebSocket as the request that would do the same.
    ///
    /// - Throws: `RATE_LIMIT_EXCEEDED`.
    func limit(
        _ kind: RateRules.Kind, of caller: Caller, session: String?, address: String
    ) async throws(StoreError) {
        guard !self.configuration.rateRules.isEmpty else { return }
        var subjects = self.subjects(kind, of: caller, session: session, address: address)
        if self.limits(.user, kind), let user = await self.user(of: caller, session) {
            self.count(.user, kind, user, in: &subjects)
        }
        try await self.draw(subjects, for: nil)
    }

    private func limits(_ scope: RateRules.Scope, _ kind: RateRules.Kind) -> Bool {
        self.configuration.rateRules[scope, kind] != nil
    }

    private func count(
        _ scope: RateRules.Scope, _ kind: RateRules.Kind, _ word: @autoclosure () -> String,
        in subjects: inout [(String, RateLimit)]
    ) {
        guard let limit = self.configuration.rateRules[scope, kind] else { return }
        subjects.append(("\(scope.rawValue).\(kind.rawValue) \(word())", limit))
    }

    /// What is counted, but for the user.
    private func subjects(
        _ kind: RateRules.Kind, of caller: Caller, session: String?, address: @autoclosure () -> String
    ) -> [(String, RateLimit)] {
        var subjects: [(String, RateLimit)] = []
        if caller.isAnyone {
            self.count(.address, kind, address(), in: &subjects)
        } else if caller.token == nil {
            self.count(.key, kind, caller.name, in: &subjects)
        }
        if let session { self.count(.session, kind, session, in: &subjects) }
        return subjects
    }

    /// Answers a request without a valid key; those that try too many are told to wait.
    func turnAway(_ exchange: HTTPExchange) {
        func refuse() { exchange.respond(status: 401, headers: Answer.jsonHeaders, body: Gate.refusal.bytes) }
        let kind = exchange.method == .get ? RateRules.Kind.read : .write
        guard let limit = self.configuration.rateRules[.address, kind] else { return refuse() }
        let subject = "address.\(kind.rawValue) " + self.addresses.counted(exchange)
        self.loop.spawn {
            do throws(StoreError) {
                try await self.draw([(subject, limit)], for: exchange)
                refuse()
            } catch {
                self.refuse(exchange, error)
            }
        }
    }

    private func draw(_ subjects: [(String, RateLimit)], for exchange: HTTPExchange?) async throws(StoreError) {
        guard !subjects.isEmpty else { return }
        var verdicts: [RateVerdict] = []
        // Together, so that they leave in one write.
        await self.shard.concurrently(subjects) { subject, limit in
            if let verdict = await self.shard.rates.take(subject, limit) { verdicts.append(verdict) }
        }
        guard let verdict = RateHeaders.tightest(verdicts) else { return }
        exchange?.addToAnswer(RateHeaders.fields(verdict))
        if !verdict.isAllowed { throw RateHeaders.refusal(verdict) }
    }

    /// Whose session a request is about; nil when it is about none, or about one that nobody knows.
    private func user(of context: RouteContext, _ route: Route) async -> String? {
        if context.caller.token != nil || route.isOfSession {
            return await self.user(of: context.caller, route.isOfSession ? context.captures[0] : nil)
        }
        return route.method == .post && route.pattern.count == 3 ? (try? context.body())?["userId"]?.string : nil
    }

    private func user(of caller: Caller, _ session: String?) async -> String? {
        if let token = caller.token { return token.userID }
        guard let session, let id = try? self.shard.sessionID(session) else { return nil }
        return try? await self.shard.owner(of: id)
    }
}
