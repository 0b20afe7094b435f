"""A tiny language model, its tokenizer and its data, built from a config: nothing is downloaded."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
PAD_ID, EOS_ID = 0, 1
WORDS = tuple(f"w{number}" for number in range(24))
HIDDEN, LAYERS, HEADS, LONGEST = 32, 2, 4, 64


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the progress bars and warnings of the libraries to themselves."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def tokenizer(padding_side: str = "right", pad: str = PAD) -> Any:
    """One token a word; the padding token is one of its own unless `pad` says EOS."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    ids = {word: number for number, word in enumerate((PAD, EOS, UNKNOWN, *WORDS))}
    words = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=pad,
        eos_token=EOS,
        unk_token=UNKNOWN,
        padding_side=padding_side,
    )


def config() -> Any:
    """A decoder with rotary positions, of about 20,000 parameters."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=3 + len(WORDS),
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=LONGEST,
        bos_token_id=None,
        pad_token_id=PAD_ID,
        eos_token_id=EOS_ID,
        initializer_range=0.2,
    )


def config_with_dropout() -> Any:
    """A decoder whose dropout is made of modules, which is what trainers can switch off."""
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=3 + len(WORDS),
        n_embd=HIDDEN,
        n_layer=LAYERS,
        n_head=HEADS,
        n_positions=LONGEST,
        embd_pdrop=0.5,
        resid_pdrop=0.5,
        attn_pdrop=0.0,
        bos_token_id=None,
        pad_token_id=PAD_ID,
        eos_token_id=EOS_ID,
        initializer_range=0.2,
    )


def saved_model(folder: Path, *, seed: int, dropout: bool = False) -> Any:
    """The model, loaded from a folder, since trainers copy it by loading it once more."""
    import torch
    from transformers import AutoModelForCausalLM

    where = folder / f"model-{seed}-{dropout}"
    if not where.exists():
        torch.manual_seed(seed)
        built = AutoModelForCausalLM.from_config(config_with_dropout() if dropout else config())
        built.save_pretrained(where)
        tokenizer().save_pretrained(where)
    return AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32)


def reward_model(*, seed: int) -> Any:
    """The same decoder with one score a position instead of a vocabulary."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    scoring = config()
    scoring.num_labels = 1
    return AutoModelForSequenceClassification.from_config(scoring, dtype=torch.float32)
