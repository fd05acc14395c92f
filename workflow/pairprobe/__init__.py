"""pairprobe: what fine-tuning did to a language model, layer by layer, by a pairwise probe.

The library behind the workflow; it knows nothing of Snakemake. Each module imports only from those before it:
errors, files, progress, settings, tables, text, provenance, jsons, parquet, downloads, examples, partitions,
natural_questions, squad, mini_nq, readers, sources, wordnet, entities, probing_sets, encoding, checkpoints, store,
activations, ranking, likeness, spaces, controls, control_tables, span_heads, question_answering, finetuning, figures; and
what watches them: machine, records, jobs, ledger, verification, explanation, terminal.
"""
