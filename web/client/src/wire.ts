/** The wire types, as openapi.json has them. */
import type { components } from './openapi.js';

type Schemas = components['schemas'];

export type ChecksumAlgorithm = Schemas['ChecksumAlgorithm'];
export type CompleteRequest = Schemas['CompleteRequest'];
export type Completion = Schemas['Completion'];
export type InitRequest = Schemas['InitRequest'];
export type PartToSign = Schemas['PartToSign'];
export type Problem = Schemas['Problem'];
export type ReceivedPart = Schemas['ReceivedPart'];
export type ReportRequest = Schemas['ReportRequest'];
export type SignRequest = Schemas['SignRequest'];
export type SignResponse = Schemas['SignResponse'];
export type SignedPart = Schemas['SignedPart'];
export type StoredPart = Schemas['StoredPart'];
export type UploadCreated = Schemas['UploadCreated'];
export type UploadList = Schemas['UploadList'];
export type UploadState = Schemas['UploadState'];
export type UploadStatus = Schemas['UploadStatus'];
export type UploadSummary = Schemas['UploadSummary'];
