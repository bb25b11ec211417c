"""A metric's row of state, and the step that scores one sample against it and learns it."""
from __future__ import annotations
import math
from typing import Final
import numpy as np
from tocsin.detect.compile import kernel

NEEDED: Final = 150
ROW: Final = np.dtype([("seen","i8"),("last_timestamp","i8"),("mean","f8"),("dev","f8"),("open","i8"),("quiet","i8")], align=True)

@kernel
def step(row, t, civil, x, limit, out):
    out.raw_score=0.0; out.likelihood=np.nan; out.anomaly_score=np.nan; out.alert_score=np.nan
    out.expected=np.nan; out.lower=np.nan; out.upper=np.nan; out.event=0
    if row.seen>0:
        out.expected=row.mean; out.lower=row.mean-5*row.dev; out.upper=row.mean+5*row.dev
        e=abs(x-row.mean)
        out.raw_score=e/(row.dev+1e-300) if e>0 else 0.0
        if row.seen>=NEEDED:
            s=min(1.0,out.raw_score*0.08)
            out.likelihood=1.0-10.0**(-10*s); out.anomaly_score=s; out.alert_score=0.0
            if out.likelihood>=limit:
                row.quiet=0
                if row.open==0:
                    out.event=1; out.alert_score=s; row.open=1
                else: out.event=2
            elif row.open==1:
                row.quiet+=1
                out.event=2
                if row.quiet>=10: row.open=0; out.event=3
    d=x-row.mean
    if row.seen==0: row.mean=x
    else:
        row.mean+=0.05*d; row.dev+=0.02*(abs(d)-row.dev)
    row.seen+=1; row.last_timestamp=t

@kernel
def score_samples(rows, metric, timestamp, civil, value, limit, out):
    for i in range(len(value)):
        step(rows[metric[i]], timestamp[i], civil[i], value[i], limit, out[i])
