import Foundation
import Glibc
import SojournTesting
import Testing

@testable import SojournCore

@Suite struct PartitionTagsTests {
    @Test func `the table of the default keyspace is what the search finds`() {
        let tags = PartitionTags(count: 256)
        #expect((0..<256).map { tags[$0] } == PartitionTags.search(count: 256))
    }

    @Test func `the checksum is the one of the Redis Cluster specification`() {
        #expect(CRC16.checksum(Array("123456789".utf8)) == 0x31C3)
        #expect(CRC16.checksum([]) == 0)
    }

    @Test(arguments: [1, 2, 16, 256, 1024])
    func `each tag has the slot that its partition stands for`(count: Int) {
        let tags = PartitionTags(count: count)
        #expect(tags.count == count)
        for partition in 0..<count {
            #expect(Int(CRC16.checksum(Array(tags[partition].utf8))) % 16_384 == tags.slot(of: partition))
        }
        #expect(Set((0..<count).map { tags[$0] }).count == count)
    }

    @Test(arguments: 1...64)
    func `every number of masters gets its fair share`(masters: Int) {
        let tags = PartitionTags(count: 256)
        var shares = [Int](repeating: 0, count: masters)
        for partition in 0..<256 {
            // Redis deals out slots in equal ranges: master m owns those from round(m * slots / masters) on.
            let slot = tags.slot(of: partition)
            let master = (0..<masters).last { master in
                slot >= Int((Double(master) * 16_384 / Double(masters)).rounded())
            }
            shares[master ?? 0] += 1
        }
        #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
    }

    @Test func `only powers of two up to 4096 are partition counts`() {
        let valid = (-1...5000).filter(PartitionTags.isValid)
        #expect(valid == (0...12).map { 1 << $0 })
    }

    @Test func `a real Redis puts each tag into its slot`() async throws {
        let server = try await RedisServer.start(["--cluster-enabled", "yes"])
        let client = try server.client()
        let tags = PartitionTags(count: 256)
        for partition in 0..<256 {
            let slot = try client.send("CLUSTER", "KEYSLOT", "sj:{\(tags[partition])}:s:x")
            #expect(slot == .int(tags.slot(of: partition)))
        }
    }
}
