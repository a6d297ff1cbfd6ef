"""Trials of one network, trained together: their weights are rows of one matrix, and a step is taken for all at once.

`signature` says which trainings are of one kind; `parity` compares a kind with training alone before it is trusted, and
`pace` measures how many pay. A `crew` copies members in and out of a `stack`, which is their weights: `forward` (with
`by_parts`) are their models, `objective` their losses, `vectors` their optimizers, `draws` what each of them draws from
its own generator. `stacks` is what a process has of all that.
"""
