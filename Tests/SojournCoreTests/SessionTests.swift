import SojournCore
import Testing

@Suite struct SessionTests {
    private static let minute: Int64 = 60_000
    private static let created = Instant(milliseconds: 1_795_134_806_249)

    /// A session of 30 minutes with a lead of 5, read so many minutes after its creation.
    private func session(at minutes: Int64, _ change: (inout Session) -> Void = { _ in }) -> Session {
        var session = Session(
            id: SessionID(at: Self.created, partition: 3), agentID: "a", userID: "u", createdAt: Self.created,
            base: Self.created, policy: TimeoutSettings().defaults, lastActivity: Self.created, messageCount: 1,
            head: 1,
            epoch: "abc.1", asOf: Self.created + minutes * Self.minute)
        change(&session)
        return session
    }

    @Test(
        arguments: [
            (0, .active), (14, .active), (15, .dormant), (24, .dormant), (25, .expiring), (29, .expiring),
            (40, .expiring),
        ] as [(Int64, SessionPhase)])
    func `the phase follows the clock`(minutes: Int64, phase: SessionPhase) {
        #expect(self.session(at: minutes).phase == phase)
    }

    @Test func `a session without messages is new until it is about to expire`() {
        #expect(self.session(at: 20) { $0.messageCount = 0 }.phase == .created)
        #expect(self.session(at: 26) { $0.messageCount = 0 }.phase == .expiring)
    }

    @Test func `activity wakes a dormant session`() {
        #expect(self.session(at: 20) { $0.lastActivity = $0.asOf }.phase == .active)
    }

    @Test(arguments: EndReason.allCases)
    func `an ended session is closed, whatever else it has`(reason: EndReason) {
        let session = self.session(at: 1) {
            $0.ending = Session.Ending(reason: reason, at: $0.asOf)
            $0.leaseEnd = $0.asOf + 1000
            $0.interactionDeadline = $0.asOf + 1000
            $0.messageCount = 0
        }
        #expect(session.phase == .closed)
        #expect(session.status.rawValue == reason.rawValue)
        #expect(session.timeRemaining == 0)
    }

    @Test func `waiting comes before running before idle`() {
        #expect(self.session(at: 1).status == .idle)
        #expect(self.session(at: 1) { $0.leaseEnd = $0.asOf + 1 }.status == .running)
        #expect(self.session(at: 1) { $0.leaseEnd = $0.asOf }.status == .idle)
        #expect(
            self.session(at: 1) {
                $0.leaseEnd = $0.asOf + 1
                $0.interactionDeadline = $0.asOf + 1
            }.status == .waiting)
        #expect(self.session(at: 1) { $0.interactionDeadline = $0.asOf }.status == .idle)
    }

    @Test func `time remaining and nearness follow the deadline`() {
        let session = self.session(at: 25)
        #expect(session.expiresAt == Self.created + 30 * Self.minute)
        #expect(session.timeRemaining == 5 * Self.minute)
        #expect(session.isNearExpiration)
        #expect(!self.session(at: 24).isNearExpiration)
        #expect(self.session(at: 31).timeRemaining == 0)
        let renewed = self.session(at: 25) { $0.base = $0.asOf }
        #expect(renewed.timeRemaining == 30 * Self.minute)
        #expect(!renewed.isNearExpiration)
    }

    @Test func `the cap bounds a lease`() {
        let session = self.session(at: 719) { $0.leaseEnd = $0.asOf + 60 * Self.minute }
        #expect(session.timeRemaining == Self.minute)
        #expect(session.phase == .expiring)
        #expect(session.status == .running)
    }
}
