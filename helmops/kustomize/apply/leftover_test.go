package apply

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAReleaseHasEndedWhenItsNewestRecordSaysSo(t *testing.T) {
	t.Parallel()
	type records = []metav1.PartialObjectMetadata
	record := func(version, status, owner string) (out metav1.PartialObjectMetadata) {
		out.Labels = map[string]string{"version": version, "status": status}
		out.Annotations = map[string]string{"fairlead.dev/owner": owner}
		return out
	}
	runs := records{record("1", "superseded", "o"), record("2", "deployed", "o")}
	kept := records{record("2", "uninstalled", "o"), record("1", "failed", "")}
	byHelm := records{record("1", "superseded", "o"), record("2", "uninstalled", "")}
	for name, tt := range map[string]struct {
		records records
		want    fate
	}{
		"no record is left":       {want: fate{ended: true}},
		"it runs":                 {records: runs, want: fate{ours: true}},
		"its history was kept":    {records: kept, want: fate{ended: true, ours: true}},
		"by the helm command":     {records: byHelm, want: fate{ended: true}},
		"it was installed since":  {records: records{record("9", "uninstalled", "o"), record("10", "deployed", "")}},
		"it is listed backwards":  {records: records{record("10", "deployed", ""), record("9", "uninstalled", "o")}},
		"it is being uninstalled": {records: records{record("1", "uninstalling", "")}},
	} {
		if got := judgeRecords(tt.records); got != tt.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
