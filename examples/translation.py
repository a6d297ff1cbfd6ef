"""A translation task with BLEU and ROUGE as goals: numbers in words, into a language with its words in reverse.

Needs a440[text]. Run: python examples/translation.py
"""

import argparse
import random

import torch
from torch import nn

from orchestrator import ASHA, TPE, Study, integer, logint, loguniform, score

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
THEIRS = ["nul", "een", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen"]
LENGTH = 6


def sentences(count: int, seed: int) -> tuple[torch.Tensor, list[str]]:
    """`[N, LENGTH]` digits, and their translations."""
    dealt = random.Random(seed)
    digits = [[dealt.randrange(10) for _ in range(LENGTH)] for _ in range(count)]
    return torch.tensor(digits), [" ".join(THEIRS[d] for d in reversed(row)) for row in digits]


def train(params: dict):
    """An encoder that says every word of the translation at its place."""
    width = params["heads"] * params["width"]
    layer = nn.TransformerEncoderLayer(width, params["heads"], 2 * width, dropout=0.0, batch_first=True)
    words, places = nn.Embedding(10, width), nn.Parameter(torch.randn(LENGTH, width) / width**0.5)
    encoder, out = nn.TransformerEncoder(layer, params["layers"]), nn.Linear(width, 10)
    modules = nn.ModuleList([words, encoder, out])
    optimizer = torch.optim.Adam([*modules.parameters(), places], lr=params["lr"])
    sources, _ = sentences(1024, seed=0)
    held, references = sentences(200, seed=1)
    while True:
        for batch in sources[torch.randperm(len(sources))].split(64):
            loss = nn.functional.cross_entropy(out(encoder(words(batch) + places)).transpose(1, 2), batch.flip(1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        said = out(encoder(words(held) + places)).argmax(2)
        yield {
            "loss": loss,
            **score(["bleu", "rougeL"], references, [" ".join(THEIRS[w] for w in row) for row in said]),
        }


SPACE = {"lr": loguniform(1e-4, 1e-1), "width": logint(4, 32), "heads": integer(1, 4), "layers": integer(1, 2)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few short trials")
    smoke = parser.parse_args().smoke
    strategy = TPE() + ASHA(max_epochs=2 if smoke else 9)
    results = Study(train, SPACE, "max bleu, max rougeL", strategy, name="translation").run(trials=3 if smoke else 30)
    print(results.frame().sort_values("bleu")[["trial", "epoch", "bleu", "rougeL", "loss"]].tail())
