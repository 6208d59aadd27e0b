package plan

import (
	"time"

	"fairlead.dev/fairlead/api/v1beta1"
)

// Hold keeps releases at the chart that they have for a time.
type Hold struct {
	// Reason is v1beta1.HeldByFreeze or v1beta1.HeldByWave.
	Reason string
	// Message says what the release waits for.
	Message string
	// From is when it begins, zero when it has begun; Until when it ends, zero when only an event ends it.
	From, Until time.Time
	// RangeOnly is set when a chart is held that upstream published, and none that the spec or its source asks for.
	RangeOnly bool
}

// UpgradeFacts are what decides whether a release takes a chart that its source has.
type UpgradeFacts struct {
	// Wanted is the chart that the source has.
	Wanted v1beta1.ChartRevision
	// Present is the chart that the release was last brought to, or tried to be brought to; its digest is empty when
	// it is not known.
	Present v1beta1.ChartRevision
	// Released is set when a revision of the release was good once.
	Released bool
	// Follows is set when Present is in the range of the spec and its source: only upstream made Wanted another chart.
	Follows bool
	// Holds are those that the release falls under, whatever their time.
	Holds []Hold
}

// HoldBack returns the first hold that keeps a release at its present chart; false when it takes the wanted one. A
// first install is never held, nor is anything else than another chart: drift repair, retries, rollbacks, other values.
func HoldBack(f UpgradeFacts, now time.Time) (Hold, bool) {
	isUpgrade := f.Released && f.Present.Digest != "" && f.Wanted.Name == f.Present.Name &&
		f.Wanted.Digest != f.Present.Digest
	if !isUpgrade {
		return Hold{}, false
	}

	for _, h := range f.Holds {
		begun := !now.Before(h.From)
		over := !h.Until.IsZero() && !now.Before(h.Until)
		if begun && !over && (f.Follows || !h.RangeOnly) {
			return h, true
		}
	}

	return Hold{}, false
}
