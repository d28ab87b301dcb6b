/// Who looks after what, without a leader: each partition belongs to the live node with the highest weight for it.
///
/// When a node comes or goes only its own partitions move (highest random weight hashing, Thaler and
/// Ravishankar 1998). Every node computes the same from the same registry.
enum Rendezvous {
    /// The partitions that belong to `node`; all of them while the registry is empty.
    static func partitions(of node: String, among nodes: [String], count: Int) -> [Int] {
        guard !nodes.isEmpty else { return Array(0..<count) }
        let seeds = nodes.map { (name: $0, seed: Self.hash($0)) }
        return (0..<count).filter { partition in
            let owner = seeds.max { left, right in
                let (a, b) = (Self.weight(left.seed, partition), Self.weight(right.seed, partition))
                return a != b ? a < b : left.name < right.name
            }
            return owner?.name == node
        }
    }

    private static func weight(_ seed: UInt64, _ partition: Int) -> UInt64 {
        Self.mix(seed ^ Self.mix(UInt64(partition) &+ 0x9E37_79B9_7F4A_7C15))
    }

    /// FNV-1a; the same on every node, unlike Swift's seeded hashes.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// The finalizer of SplitMix64, which spreads every bit over all bits.
    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
