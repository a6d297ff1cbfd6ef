"""Trials of one network, trained together: their weights are rows of one matrix, and a step is taken for all at once.

`signature` says which trainings are of one kind, `stack` holds and trains them, `vectors` are their optimizers,
`forward` their models, `draws` what each of them draws from its own generator, `parity` compares them with training
alone before they are trusted, `pace` measures how many pay, and `stacks` is what a process has of them.
"""
