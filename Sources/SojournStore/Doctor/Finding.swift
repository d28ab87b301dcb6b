/// One thing that the doctor has looked at, and what there is to say of it.
package struct Finding: Sendable, Equatable {
    /// How bad it is.
    package enum Weight: String, Sendable, CaseIterable {
        /// As it should be.
        case fine
        /// Worth knowing.
        case note
        /// It works, and may not go on to.
        case warning
        /// A promise is broken, or will be.
        case error
    }

    /// How bad it is.
    package var weight: Weight
    /// What was found, as a sentence.
    package var sentence: String
    /// What to do; nil when there is nothing to do.
    package var advice: String?
    /// Whether it was wrong and has been repaired.
    package var isRepaired = false

    static func fine(_ sentence: String) -> Finding { Finding(weight: .fine, sentence: sentence) }
    static func note(_ sentence: String, _ advice: String? = nil) -> Finding {
        Finding(weight: .note, sentence: sentence, advice: advice)
    }
    static func warning(_ sentence: String, _ advice: String) -> Finding {
        Finding(weight: .warning, sentence: sentence, advice: advice)
    }
    static func error(_ sentence: String, _ advice: String) -> Finding {
        Finding(weight: .error, sentence: sentence, advice: advice)
    }
}
