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
        let rules = self.configuration.rateRules
        guard !rules.isEmpty else { return }
        var subjects: [(String, RateLimit)] = []
        func count(_ scope: RateRules.Scope, _ word: @autoclosure () -> String) {
            guard let limit = rules[scope, route.kind] else { return }
            subjects.append(("\(scope.rawValue).\(route.kind.rawValue) \(word())", limit))
        }
        let caller = context.caller
        if caller.isAnyone {
            count(.address, self.addresses.counted(context.exchange))
        } else if caller.token == nil {
            count(.key, caller.name)
        }
        if route.isOfSession { count(.session, context.captures[0]) }
        if rules[.user, route.kind] != nil, let user = await self.user(of: context, route) { count(.user, user) }
        try await self.draw(subjects, for: context.exchange)
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

    private func draw(_ subjects: [(String, RateLimit)], for exchange: HTTPExchange) async throws(StoreError) {
        guard !subjects.isEmpty else { return }
        var verdicts: [RateVerdict] = []
        // Together, so that they leave in one write.
        await self.shard.concurrently(subjects) { subject, limit in
            if let verdict = await self.shard.rates.take(subject, limit) { verdicts.append(verdict) }
        }
        guard let verdict = RateHeaders.tightest(verdicts) else { return }
        exchange.addToAnswer(RateHeaders.fields(verdict))
        if !verdict.isAllowed { throw RateHeaders.refusal(verdict) }
    }

    /// Whose session a request is about; nil when it is about none, or about one that nobody knows.
    private func user(of context: RouteContext, _ route: Route) async -> String? {
        if let token = context.caller.token { return token.userID }
        if route.isOfSession {
            guard let id = try? self.shard.sessionID(context.captures[0]) else { return nil }
            return try? await self.shard.owner(of: id)
        }
        return route.method == .post && route.pattern.count == 3 ? (try? context.body())?["userId"]?.string : nil
    }
}
