"""Rows as pandas holds them for Great Expectations: every column in a type that tells a missing value from NaN."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def frame_of(rows: pa.Table) -> pd.DataFrame:
    """In numpy's numbers with a mask; dates as pandas' moments; texts as texts; anything else as Arrow has it."""
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    pd.options.future.distinguish_nan_and_na = True
    types = {
        pa.int32(): pd.Int32Dtype(),
        pa.int64(): pd.Int64Dtype(),
        pa.float64(): pd.Float64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
        pa.string(): pd.StringDtype(),
    }

    def type_for(kind: pa.DataType) -> pd.api.extensions.ExtensionDtype | None:
        if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            return None  # pandas' own
        return types.get(kind) or pd.ArrowDtype(kind)

    return rows.to_pandas(types_mapper=type_for, date_as_object=False)
