"""PEFT strategies: which parameters of a frozen encoder train."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from dfdbench import hookimpl
from dfdbench.api import PeftStrategy
from dfdbench.errors import MissingError, SpecError

if TYPE_CHECKING:
    from torch import nn

    from dfdbench.encoder import Encoder


class LinearProbe(PeftStrategy):
    """Trains nothing of the encoder; the detector's head alone learns."""

    name = "linear_probe"

    def apply(self, encoder: Encoder) -> Encoder:
        """Leave everything frozen."""
        return encoder


class LnTuning(PeftStrategy):
    """Trains weight and bias of every LayerNorm.

    Source: arXiv:2503.19683; Kim et al. 2021 call it layer-norm tuning. 102,400 parameters of
    ViT-L/14's vision tower.
    """

    name = "ln_tuning"

    def apply(self, encoder: Encoder) -> Encoder:
        """Unfreeze the LayerNorms, subclasses included. Raises SpecError where there are none."""
        from torch import nn

        norms = [m for m in encoder.modules() if isinstance(m, nn.LayerNorm)]
        _unfreeze(self, encoder, (p for norm in norms for p in norm.parameters()), "no LayerNorm")
        return encoder


class BitFit(PeftStrategy):
    """Trains every bias. Source: Ben Zaken et al. 2022, BitFit (arXiv:2106.10199)."""

    name = "bitfit"

    def apply(self, encoder: Encoder) -> Encoder:
        """Unfreeze the biases, those of the norms included. Raises SpecError without any."""
        biases = [p for name, p in encoder.named_parameters() if name.endswith("bias")]
        _unfreeze(self, encoder, biases, "no biases")
        return encoder


class LastBlocks(PeftStrategy):
    """Trains the last blocks of the encoder and what follows them, such as the last norm."""

    name = "last_blocks"
    k: int = Field(1, ge=1, description="number of blocks that train, from 1")

    def apply(self, encoder: Encoder) -> Encoder:
        """Unfreeze blocks ``-k`` to the end. Raises SpecError where there are fewer than ``k``."""
        blocks = encoder.blocks()
        if len(blocks) < self.k:
            raise SpecError(
                f"peft {self.name!r}: k is {self.k}, and {_label(encoder)} has {len(blocks)} "
                "blocks; choose a smaller k, or another strategy"
            )
        parameters = list(encoder.parameters())
        first = {id(p) for p in blocks[-1].parameters()}
        # Parameters are registered from input to output, so that what comes after the last block
        # in the list comes after it in the network.
        last = max(i for i, p in enumerate(parameters) if id(p) in first)
        chosen = [p for block in blocks[-self.k :] for p in block.parameters()]
        _unfreeze(self, encoder, [*chosen, *parameters[last + 1 :]], "no parameters there")
        return encoder


class Full(PeftStrategy):
    """Trains every parameter of the encoder."""

    name = "full"

    def apply(self, encoder: Encoder) -> Encoder:
        """Unfreeze everything."""
        return encoder.requires_grad_(True)


class Lora(PeftStrategy):
    """Adds trainable low-rank matrices to the attention, through the peft library.

    Each linear layer gets one pair of matrices. A ``nn.MultiheadAttention``, as in open_clip, has
    two such layers: the input projection (query, key and value together) and the output
    projection. Source: Hu et al. 2022, LoRA (arXiv:2106.09685).
    """

    name = "lora"
    rank: int = Field(8, ge=1, description="rank of the added matrices, from 1")
    alpha: float = Field(16.0, gt=0, description="the added product is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the layers' input, 0 to 1")
    targets: tuple[str, ...] = Field(
        (),
        description="names of the modules that get matrices, as the ends of their full names, "
        "such as [attn, mlp.c_fc]; empty: every attention",
    )

    def apply(self, encoder: Encoder) -> Encoder:
        """Put the matrices in.

        Raises:
            MissingError: the peft library is not installed.
            SpecError: no module of the encoder is a target, or one that cannot have matrices.
        """
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError as error:
            raise MissingError(
                "peft 'lora' needs the peft library, which is not installed; install it with "
                "`pip install 'dfdbench[peft]'`"
            ) from error
        names = self._targets(encoder)
        config = LoraConfig(
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=names
        )
        try:
            inject_adapter_in_model(config, encoder)
        except ValueError as error:
            raise SpecError(f"peft {self.name!r}: {error}; name others in `targets`") from error
        encoder.requires_grad_(False)
        added = [p for name, p in encoder.named_parameters() if "lora_" in name]
        _unfreeze(self, encoder, added, "no target")
        _check_called(encoder, names)
        return encoder

    def _targets(self, encoder: Encoder) -> list[str]:
        """Full names of the layers; attention is taken apart into its two."""
        from dfdbench_plugins.peft_strategies.attention import SplitAttention

        names = []
        for name, module in list(encoder.named_modules()):
            if not self._wanted(name, module):
                continue
            if SplitAttention.can_replace(module):
                encoder.set_submodule(name, SplitAttention(module))
                names += [f"{name}.in_proj", f"{name}.out_proj"]
            else:
                names.append(name)
        if not names:
            lack = f"no module {list(self.targets)}" if self.targets else "no attention"
            raise SpecError(
                f"peft {self.name!r}: {_label(encoder)} has {lack}; name the layers in `targets`"
            )
        return names

    def _wanted(self, name: str, module: nn.Module) -> bool:
        from torch import nn

        from dfdbench_plugins.peft_strategies.attention import SplitAttention

        if self.targets:
            return any(name == end or name.endswith(f".{end}") for end in self.targets)
        if isinstance(module, nn.MultiheadAttention):
            return SplitAttention.can_replace(module)
        # timm's attention; the class excludes the output projection of a nn.MultiheadAttention.
        return type(module) is nn.Linear and name.rpartition(".")[0].endswith("attn")


def _check_called(encoder: Encoder, names: Sequence[str]) -> None:
    """Run one image through: matrices on a module that is never called would learn nothing."""
    import torch

    called: set[str] = set()
    hooks = [
        encoder.get_submodule(name).register_forward_hook(
            lambda module, args, output, name=name: called.add(name)
        )
        for name in names
    ]
    device = next(encoder.parameters()).device
    training = encoder.training
    with torch.no_grad():
        side = encoder.input.size
        encoder.eval()(torch.zeros(1, 3, side, side, device=device))
    encoder.train(training)
    for hook in hooks:
        hook.remove()
    idle = [name for name in names if name not in called]
    if idle:
        raise SpecError(
            f"peft 'lora': {_label(encoder)} uses the weights of {idle[0]!r} without calling it, "
            f"so that LoRA cannot act there ({len(idle)} such modules); name others in `targets`"
        )


def _unfreeze(
    strategy: PeftStrategy, encoder: Encoder, parameters: Iterable[nn.Parameter], lack: str
) -> None:
    """Set ``requires_grad``. Raises SpecError where there are no parameters."""
    parameters = list(parameters)
    if not parameters:
        raise SpecError(
            f"peft {strategy.name!r}: {_label(encoder)} has {lack}, so that nothing would train; "
            "choose another strategy, such as last_blocks or full"
        )
    for parameter in parameters:
        parameter.requires_grad_(True)


def _label(encoder: Encoder) -> str:
    inner = ", ".join(type(child).__name__ for child in encoder.children())
    return f"the encoder {type(encoder).__name__}({inner})"


@hookimpl
def dfdbench_peft() -> Sequence[type[PeftStrategy]]:
    """The strategies above."""
    return [LinearProbe, LnTuning, BitFit, LastBlocks, Lora, Full]
