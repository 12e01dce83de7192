//! Recording what a client is told; see [`replay`](crate::replay).

use super::Client;
use crate::{
    record::{Input, Recorder, TooLateToRecord},
    stats::Stats,
    time::Instant,
};
use alloc::{boxed::Box, string::String};

impl Client {
    /// Records every input from here on, so that [`replay`](crate::replay) comes to the same
    /// outputs. Take what was recorded from time to time with
    /// [`take_recording`](Self::take_recording); when more than
    /// [`Limits::recording`](crate::Limits) waits, the recording ends.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// # let now = Instant::ORIGIN;
    /// client.start_recording()?;
    /// client.add_shadow(ShadowId::classic("lamp")?, Interest::DELTA, now)?;
    /// client.handle_connected(false, now);
    /// let mut outputs = Vec::new();
    /// while let Some(output) = client.poll_output() {
    ///     outputs.push(output);
    /// }
    /// let recording = client.take_recording();
    ///
    /// let mut again = Vec::new();
    /// replay(&recording, |output| again.push(output.clone()))?;
    /// assert_eq!(again, outputs);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The client was used already, so that the recording could not be replayed.
    pub fn start_recording(&mut self) -> Result<(), TooLateToRecord> {
        let unused = self.shadows.len() == 0 && self.stats == Stats::default() && !self.connected;
        if !unused || self.now != Instant::ORIGIN {
            return Err(TooLateToRecord);
        }
        self.recorder = Some(Box::new(Recorder::new(&self.config)));
        Ok(())
    }

    /// Takes what was recorded since the last time: whole lines, to be appended to a file. Empty
    /// if nothing is recorded, or the recording has ended.
    ///
    /// ```
    /// # use shadow_proto::*;
    /// # let mut client = Client::new(Config::new(TokenPrefix::new("doc")?));
    /// client.start_recording()?;
    /// let mut file = client.take_recording(); // begins with the configuration
    /// client.handle_connected(false, Instant::ORIGIN);
    /// file += &client.take_recording();
    /// assert_eq!(file.lines().count(), 2);
    /// assert!(replay(&file, |_| {})?.is_connected());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_recording(&mut self) -> String {
        self.recorder
            .as_mut()
            .map(|recorder| recorder.take())
            .unwrap_or_default()
    }

    pub(super) fn record(&mut self, input: impl FnOnce() -> Input) {
        if let Some(recorder) = &mut self.recorder {
            recorder.push(input(), self.now);
        }
    }
}
