pub(super) mod samples;
