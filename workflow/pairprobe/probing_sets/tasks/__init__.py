"""The probing tasks: one module each, whose file name is the task's name. No code lists them; the map of the
packages, workflow/pairprobe/README.md, does.

A module has

    VIEW = "paragraph"      pairs, ranked by similarity; ``boundary`` alone has "sentence", ranked by trained heads
    USES_WORDNET = True     only where ``find`` reads WordNet

    def find(example: Example, wordnet: WordNet) -> Pair | str:
        ...

``find`` returns the example's pair, or the reason why it has none: ``tables/probing_sets.md`` counts the reasons.
``wordnet`` is None where the module does not have USES_WORDNET. ``answer_type`` is a short module to begin from, and
docs/how-to/add_a_task.md leads through a new one.
"""
