"""A GPU for machines without one: tensors "on" it are computed by the CPU, but never mixed with others.

Code that forgets to move a tensor, or makes one on the CPU, fails here as it would on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

GPU = torch.device("cuda", 0)
CROSSES = {Tensor.copy_, Tensor.data.__set__, Tensor.grad.__set__, torch._has_compatible_shallow_copy_type}


class FakeGpu(TorchFunctionMode):
    """While this is active `device="cuda"` works. `moved` counts the tensors that were sent there."""

    def __init__(self) -> None:
        super().__init__()
        self._there: dict[int, Any] = {}  # storages on the fake GPU; kept, so that no address is used twice
        self.moved = 0

    def holds(self, tensor: Tensor) -> bool:
        """Whether the tensor is on the fake GPU."""
        return tensor.untyped_storage()._cdata in self._there

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func == Tensor.device.__get__:
            return GPU if self.holds(args[0]) else func(*args)
        if func in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return self._to(func, args, kwargs)
        if func is Tensor.numpy and self.holds(args[0]):
            raise TypeError("can't convert a tensor on the fake GPU to numpy")
        made_there = kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cuda"
        if made_there:
            kwargs["device"] = "cpu"
        tensors = [*_tensors(args), *_tensors(kwargs)]
        there = [t for t in tensors if self.holds(t)]
        here = [t for t in tensors if t.dim() and not self.holds(t)]
        if there and here and func not in CROSSES and "foreach" not in getattr(func, "__name__", ""):
            cpu, gpu = ([tuple(t.shape) for t in ts] for ts in (here, there))
            raise RuntimeError(f"{getattr(func, '__name__', func)}: {cpu} on the CPU, {gpu} on the GPU")
        out = func(*args, **kwargs)
        if (there or made_there) and func not in CROSSES:
            self._mark(out)
        return out

    def _to(self, func: Any, args: Any, kwargs: Any) -> Tensor:
        given = [*args[1:], *kwargs.values()]
        other = next((g for g in given if isinstance(g, Tensor)), None)
        devices = [torch.device(g) for g in given if isinstance(g, torch.device) or g in ("cpu", "cuda")]
        if func is not Tensor.to:
            devices = [torch.device("cpu") if func is Tensor.cpu else GPU]
        elif other is not None:
            devices = [GPU if self.holds(other) else torch.device("cpu")]
        there = self.holds(args[0])
        to_gpu = devices[0].type == "cuda" if devices else there
        dtypes = [g for g in given if isinstance(g, torch.dtype)]
        dtype = dtypes[0] if dtypes else other.dtype if other is not None else None
        out: Tensor = args[0].to(dtype) if dtype else args[0]
        if to_gpu == there:
            self._mark(out if there else ())
            return out
        out = out.clone()
        if to_gpu:
            self.moved += 1
            self._mark(out)
        return out

    def _mark(self, out: Any) -> None:
        for tensor in _tensors(out):
            storage = tensor.untyped_storage()
            self._there[storage._cdata] = storage


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)
