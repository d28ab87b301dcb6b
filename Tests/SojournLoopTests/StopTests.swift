import SojournLoop
import Testing

@Suite struct StopTests {
    @Test func `a loop may stop while timers of sleeping tasks are due`() async throws {
        let loop = EventLoop(name: "sleepers")
        try await loop.run {
            for _ in 0..<10 {
                loop.spawn { while loop.isCurrent { await loop.sleep(milliseconds: 1) } }
            }
        }
        // The loop is busy while it is told to stop; when it looks again the timers are due.
        loop.execute {
            let end = ContinuousClock.now + .milliseconds(30)
            while ContinuousClock.now < end {}
        }
        loop.stop()
        #expect(!loop.execute {})
    }
}
