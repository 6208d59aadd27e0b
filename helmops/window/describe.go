package window

import (
	"fmt"
	"time"
)

// Describe says for people that something is held, until when, and by which window. The state is one that is not open,
// for what lasts so long.
func Describe(what string, s State, lasts time.Duration) string {
	switch {
	case !s.Opens.IsZero() && s.Opens.Equal(s.Ends):
		return fmt.Sprintf("%s is held until %s by %s", what, stamp(s.Opens), s.By)
	case !s.Opens.IsZero() && s.By.Deny:
		return fmt.Sprintf("%s is held until %s by %s and the windows after it", what, stamp(s.Opens), s.By)
	case !s.Opens.IsZero():
		return fmt.Sprintf("%s is held until %s by %s", what, stamp(s.Opens), s.By)
	case s.TooShort:
		return fmt.Sprintf("%s is held: no Allow window of spec.sync.windows is longer than its timeout, %s; "+
			"lengthen a window, or set its field overrun", what, lasts)
	default:
		return fmt.Sprintf("%s is held: no window of spec.sync.windows opens", what)
	}
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }
