package servers

import (
	"fmt"
	"os"
	"path/filepath"
)

// Published lists the archives in the folder shared/charts beside the project: charts that others have published. There
// are none, and no error, where that folder is absent, as on most machines. A folder that is there without an archive
// is an error: tests would pass that have tested nothing.
func Published() ([]string, error) {
	makefile, ok := above("Makefile")
	if !ok {
		return nil, fmt.Errorf("run this from within the project")
	}
	folder := filepath.Join(filepath.Dir(filepath.Dir(makefile)), "shared", "charts")
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		return nil, nil
	}
	archives, err := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if err == nil && len(archives) == 0 {
		err = fmt.Errorf("%s has no chart archives", folder)
	}
	return archives, err
}

// PublishedCharts lists what Published does, for a test that is skipped without the folder.
func PublishedCharts(t interface {
	Helper()
	Fatal(args ...any)
	Skip(args ...any)
}) []string {
	t.Helper()
	archives, err := Published()
	if err != nil {
		t.Fatal(err)
	}
	if len(archives) == 0 {
		t.Skip("the folder shared/charts beside the project is absent; published charts are not tested")
	}
	return archives
}

// above finds a path in the nearest folder, from the working directory up, that has it.
func above(path string) (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		found := filepath.Join(dir, path)
		if _, err := os.Stat(found); err == nil {
			return found, true
		}
	}
	return "", false
}
