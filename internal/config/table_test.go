package config

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// gunicornSetting is a row of testdata/gunicorn_settings.json, which gunicorn_settings.py writes.
type gunicornSetting struct {
	Name      string   `json:"name"`
	Flags     []string `json:"flags"`
	Default   any      `json:"default"`
	Type      string   `json:"type"`
	Action    string   `json:"action"`
	Validator string   `json:"validator"`
}

func gunicornSettings(t *testing.T) []gunicornSetting {
	t.Helper()
	file, err := os.Open("testdata/gunicorn_settings.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var golden struct {
		Settings []gunicornSetting `json:"settings"`
	}
	d := json.NewDecoder(file)
	d.UseNumber()
	if err := d.Decode(&golden); err != nil {
		t.Fatal(err)
	}
	return golden.Settings
}

// kindsOf says which kinds hold what a validator of gunicorn's accepts.
var kindsOf = map[string][]Kind{
	"validate_string":                    {String, Choice, Commas},
	"validate_list_string":               {List},
	"validate_pos_int":                   {Int, Seconds, Mode},
	"validate_class":                     {Class},
	"validate_bool":                      {Bool, Off},
	"validate_reload_engine":             {Choice},
	"validate_list_of_files_or_patterns": {List},
	"validate_chdir":                     {String},
	"validate_user":                      {Account},
	"validate_group":                     {Account},
	"validate_dict":                      {Dict, Opaque},
	"validate_string_to_addr_list":       {Addrs},
	"validate_string_to_list":            {Commas},
	"validate_statsd_address":            {String},
	"_validate_callable":                 {Hook},
	"validate_post_request":              {Hook},
	"validate_proxy_protocol":            {Choice},
	"validate_header_map_behaviour":      {Choice},
	"validate_ssl_version":               {Opaque},
	"validate_http_protocols":            {Commas},
	"validate_http2_cleartext":           {Choice},
	"validate_http2_stream_limit":        {Int},
	"validate_http2_window_size":         {Int},
	"validate_http2_frame_size":          {Int},
	"validate_asgi_loop":                 {Choice},
	"validate_asgi_lifespan":             {Choice},
	"validate_http_parser":               {Choice},
}

// machineDefaults depend on where gunicorn runs; here they are resolved after the table.
var machineDefaults = []string{"chdir", "user", "group", "control_socket"}

func TestTableKnowsGunicorn(t *testing.T) {
	table := byKey(Options())
	for _, g := range gunicornSettings(t) {
		o := table[g.Name]
		if o == nil {
			t.Errorf("%s: not in the table", g.Name)
			continue
		}
		if o.Own {
			t.Errorf("%s: marked as Girin's own", g.Name)
		}
		if got, want := optionFlags(o), g.Flags; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: flags %v, gunicorn has %v", g.Name, got, want)
		}
		if kinds := kindsOf[g.Validator]; !slices.Contains(kinds, o.Kind) {
			t.Errorf("%s: kind %v, but gunicorn's %s wants one of %v", g.Name, o.Kind, g.Validator, kinds)
		}
		if repeated := g.Action == "append"; repeated != (o.Kind == List && o.Flag != "") {
			t.Errorf("%s: kind %v, but gunicorn's action is %q", g.Name, o.Kind, g.Action)
		}
		if !slices.Contains(machineDefaults, g.Name) && python(o.Default) != python(g.Default) {
			t.Errorf("%s: default %s, gunicorn has %s", g.Name, python(o.Default), python(g.Default))
		}
		delete(table, g.Name)
	}
	for key, o := range table {
		if !o.Own {
			t.Errorf("%s: unknown to gunicorn, but not marked as Girin's own", key)
		}
	}
}

// optionFlags lists a row's flags in gunicorn's order: short, long, alias.
func optionFlags(o *Option) []string {
	flags := []string{}
	if o.Short != "" {
		flags = append(flags, "-"+o.Short)
	}
	for _, f := range []string{o.Flag, o.Alias} {
		if f != "" {
			flags = append(flags, "--"+f)
		}
	}
	return flags
}

func TestTableRowsAreComplete(t *testing.T) {
	flags := map[string]string{}
	for _, o := range Options() {
		for _, f := range optionFlags(&o) {
			if other := flags[f]; other != "" {
				t.Errorf("%s: flag %s belongs to %s", o.Key, f, other)
			}
			flags[f] = o.Key
		}
		if !strings.HasSuffix(o.Doc, ".") || o.Section == "" {
			t.Errorf("%s: no doc, which ends in a full stop, or no section", o.Key)
		}
		if o.Status == NotApplicable && o.Instead == "" || o.Status == Built && o.Instead != "" {
			t.Errorf("%s: %v, but Instead is %q", o.Key, o.Status, o.Instead)
		}
		if o.Flag != "" && o.Kind.TakesValue() && o.Meta == "" {
			t.Errorf("%s: help does not know what to call its value", o.Key)
		}
		if (o.Kind == Choice) != (len(o.Choices) > 0) {
			t.Errorf("%s: kind %v with choices %v", o.Key, o.Kind, o.Choices)
		}
	}
}

// Each kind's Go type fits its field, or store panics.
func TestOptionsFillTheirFields(t *testing.T) {
	zero := map[Kind]any{
		String: "x", Int: int64(1), Mode: int64(1), Size: int64(1), Seconds: time.Second, Bool: true, Off: true, Choice: "x",
		List: []string{"x"}, Commas: []string{"x"}, Addrs: []string{"x"}, Dict: map[string]string{"x": "y"}, Class: "x", Account: "x",
	}
	for _, o := range Options() {
		if o.field == nil {
			continue
		}
		cfg := &Config{}
		store(o.field(cfg), zero[o.Kind])
		if reflect.DeepEqual(cfg, &Config{}) {
			t.Errorf("%s: nothing was stored", o.Key)
		}
	}
}

// A default that its own check refuses could not be written into a configuration file.
func TestDefaultsAreValid(t *testing.T) {
	for _, o := range Options() {
		if o.check == nil || o.Default == nil {
			continue
		}
		if err := o.check(o.Default); err != nil {
			t.Errorf("%s: %v", o.Key, err)
		}
	}
}
