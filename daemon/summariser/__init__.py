"""The process that has a language model word the facts of summaries; it may lag, fail or be killed."""
