package config

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// header is what the header of a license, or a note of copyright, looks like.
var header = regexp.MustCompile(
	`(?im)^\s*(//|/?\*|#)\s*(.*\bcopyright\b.*(\(c\)|©|\d{4})|spdx-license-identifier:|licensed under )`)

// LICENSE covers all files. A file with a header would be one of others; see docs/adr/0011-one-license-file.md.
func TestNoFileHasALicenseHeader(t *testing.T) {
	t.Parallel()
	if text := read(t, "LICENSE"); !strings.Contains(text, "Apache License") {
		t.Fatal("LICENSE is not the Apache License")
	}
	seen := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == ".run" || entry.Name() == "bin") {
			return filepath.SkipDir
		}
		switch filepath.Ext(path) {
		case ".go", ".sh", ".yaml", ".yml", ".tpl":
		default:
			return nil
		}
		if entry.IsDir() || entry.Type()&fs.ModeSymlink != 0 {
			return nil
		}
		seen++
		if found := header.FindString(read(t, path[len(root)+1:])); found != "" {
			t.Errorf("%s has a license header: %s", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 500 {
		t.Errorf("only %d files were read", seen)
	}
}

func TestLicenseHeadersAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"// Copyright 2024 The Authors\n":            true,
		"/*\n * Copyright (c) 2020 Someone\n */\n":   true,
		"# SPDX-License-Identifier: MIT\n":           true,
		"// Licensed under the Apache License\n":     true,
		"// licenses are collected from modules\n":   false,
		"text := \"Copyright 2024\"\n":               false,
		"// copyright of the modules is collected\n": false,
	} {
		if got := header.MatchString(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
