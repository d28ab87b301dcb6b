package import SojournCore
import SojournRedis

extension StoreShard {
    /// Moves the test clock in every partition before it returns.
    ///
    /// - Throws: `VALIDATION_ERROR` on a store that was not started with the test clock.
    package func advanceTestClock(milliseconds: Int64) async throws(StoreError) {
        guard self.configuration.testClock else {
            throw .validation("The test clock is off: start the node with --test-clock")
        }
        var failure: StoreError?
        await self.concurrently(0..<self.keyspace.partitions) { partition in
            do throws(RedisError) {
                _ = try await self.redis.send(
                    ["HINCRBY", .string(self.keyspace.clock(partition)), "offset", .integer(Int(milliseconds))],
                    kind: .write)
            } catch {
                failure = self.translate(error, in: "test clock")
            }
        }
        if let failure { throw failure }
    }
}
