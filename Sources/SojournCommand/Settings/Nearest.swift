/// Finds the name that someone probably meant.
enum Nearest {
    /// `; did you mean --port?`, or nothing.
    static func hint(_ name: String, among names: [String], prefix: String) -> String {
        self.name(to: name, among: names).map { "; did you mean \(prefix)\($0)?" } ?? ""
    }

    /// The nearest name, if it is near: at most a third of the letters differ.
    static func name(to name: String, among names: [String]) -> String? {
        let nearest = names.map { (name: $0, distance: self.distance(name, $0)) }.min { $0.distance < $1.distance }
        guard let nearest, nearest.distance <= max(2, name.count / 3) else { return nil }
        return nearest.name
    }

    /// How many letters must be inserted, deleted or replaced (Levenshtein).
    static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (line, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for (column, other) in right.enumerated() {
                let above = row[column + 1]
                row[column + 1] = min(diagonal + (letter == other ? 0 : 1), above + 1, row[column] + 1)
                diagonal = above
            }
        }
        return row[right.count]
    }
}
